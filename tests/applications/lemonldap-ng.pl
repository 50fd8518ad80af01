# LemonLDAP::NG's portal (its own framework on Plack): single sign-on, with its demonstration users.
#
# The visitor is told of the server as of a proxy, so every request names http://auth.example.com/ in its first
# line, and the session's cookie is for example.com.
package Application::LemonLDAP;
use strict;
use warnings;
use Application qw(step write_file run_quietly);

my @people = (['dwho', 'Doctor Who'], ['rtyler', 'Rose Tyler'], ['msmith', 'Mr Smith']);

sub setup {
    my $dir = shift;
    mkdir "$dir/$_" for qw(conf sessions sessions/lock psessions psessions/lock cache notifications);
    for my $file (qw(/var/lib/lemonldap-ng/conf/lmConf-1.json /etc/lemonldap-ng/lemonldap-ng.ini)) {
        open my $in, '<:raw', $file or die "$file: $!";
        my $text = join '', readline $in;
        $text =~ s{/var/lib/lemonldap-ng}{$dir}g;
        write_file($file =~ /ini$/ ? "$dir/lemonldap-ng.ini" : "$dir/conf/lmConf-1.json", $text);
    }
    write_file("$dir/app.psgi", "use Lemonldap::NG::Portal::Main;\nLemonldap::NG::Portal::Main->run({});\n");
    return { psgi => "$dir/app.psgi", env => { LLNG_DEFAULTCONFFILE => "$dir/lemonldap-ng.ini" } };
}

sub flow {
    my ($browser, $dir) = @_;
    my $n = $browser->number;
    my ($user) = @{ $people[ $n % @people ] };
    my $portal = 'http://auth.example.com';
    $browser->proxy(http => "$browser->{visitor_base}/");
    my $log_in = sub { $browser->submit_form(with_fields => { user => $_[0], password => $_[1] }) };

    step 'the form' => sub {
        $browser->{autocheck} = 0;
        $browser->get("$portal/");
        $browser->has('Authentication portal', 'name="password"');
    };
    step 'a wrong password is refused' => sub {
        $log_in->($user, 'wrong');
        $browser->has('name="password"', qr/trmsg="5"/);
    };
    step 'log in' => sub {
        $log_in->($user, $user);
        $browser->{autocheck} = 1;
        $browser->get("$portal/");
        $browser->has('Application Test 1', qr/trspan="connectedAs">[^<]*<[^>]*>\s*\Q$user\E/);
    };
    step 'the session is its own' => sub {
        for (1 .. 5) {
            $browser->get("$portal/?tab=$_");
            $browser->has(qr/connectedAs">[^<]*<[^>]*>\s*\Q$user\E/);
        }
        my $answer = $browser->get("$portal/ping");
        $answer->content =~ /"status":1/ or die $answer->as_string;
    };
    step 'the way back to an application' => sub {
        $browser->{autocheck} = 0;
        $browser->requests_redirectable([]);
        my $url = 'aHR0cDovL3Rlc3QxLmV4YW1wbGUuY29tLw==';    # http://test1.example.com/
        my $answer = $browser->get("$portal/?url=$url");
        ($answer->header('Location') // '') eq 'http://test1.example.com/' or die $answer->as_string;
        $browser->requests_redirectable(['GET', 'HEAD', 'POST']);
        $browser->{autocheck} = 1;
    };
    step 'log out' => sub {
        $browser->{autocheck} = 0;
        $browser->get("$portal/?logout=1");
        $browser->get("$portal/");
        $browser->has('name="password"');
        $browser->lacks('connectedAs');
        $browser->get("$portal/ping");
        $browser->content =~ /"status":0/ or die $browser->content;
    };
}

return {
    name => 'lemonldap-ng', framework => 'its own', packages => [qw(liblemonldap-ng-portal-perl libgd-securityimage-perl libimage-magick-perl libstring-random-perl)],
    setup => \&setup, flow => \&flow,
};
