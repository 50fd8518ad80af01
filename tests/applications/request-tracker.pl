# Request Tracker 5 (HTML::Mason, its own dispatcher): the ticket system, on SQLite.
#
# Its rt-server is the PSGI application. Preloading is right: rt-server closes its database before workers are forked.
# Mail leaves by a forked sendmail, here one that writes to a file.
package Application::RequestTracker;
use strict;
use warnings;
use Application qw(step write_file run_quietly mark);
use Encode qw(decode decode_utf8);

my $attachment = join '', map { pack 'N', $_ * 2_654_435_761 % 4_294_967_296 } 1 .. 100_000;

my $config = <<'END';
Set($rtname, 'test'); Set($Organization, 'test'); Set($Timezone, 'UTC');
Set($WebDomain, '127.0.0.1'); Set($WebPort, $ENV{APPLICATION_PORT}); Set($WebPath, ''); Set($CanonicalizeRedirectURLs, 1);
Set($DatabaseType, 'SQLite'); Set($DatabaseName, "$ENV{APPLICATION_DIR}/rt.sqlite");
Set($LogToSyslog, undef); Set($LogToFile, undef); Set($LogToSTDERR, 'warning'); Set($LogDir, $ENV{APPLICATION_DIR});
Set($MailCommand, 'sendmailpipe'); Set($SendmailPath, "$ENV{APPLICATION_DIR}/sendmail");
Set($CorrespondAddress, 'rt@localhost'); Set($CommentAddress, 'rt-comment@localhost');
Set($DevelMode, 0); Set($ShowRemoteImages, 0);
$RT::VarPath = $ENV{APPLICATION_DIR};
$RT::MasonDataDir = "$ENV{APPLICATION_DIR}/mason"; $RT::MasonSessionDir = "$ENV{APPLICATION_DIR}/sessions";
1;
END

# Users who may make tickets, and see none but those they asked for.
my $people = <<'END';
our @Users = map { { Name => "user$_", RealName => "Visitor $_", EmailAddress => "user$_\@localhost",
    Password => "password-$_", Privileged => 1 } } 0 .. 8;
our @ACL = (
    map({ { GroupDomain => 'SystemInternal', GroupType => 'Privileged', Queue => 'General', Right => $_ } } qw(SeeQueue CreateTicket)),
    map({ { GroupDomain => 'RT::Queue-Role', GroupType => 'Requestor', Queue => 'General', Right => $_ } } qw(ShowTicket ReplyToTicket ModifyTicket)),
    map({ { GroupDomain => 'SystemInternal', GroupType => 'Privileged', Right => $_ } } qw(ShowSavedSearches ModifySelf)),
);
1;
END

sub setup {
    my $dir = shift;
    my %env = (RT_SITE_CONFIG => "$dir/site.pm", RT_SITE_CONFIG_DIR => "$dir/site.d", APPLICATION_DIR => $dir);
    mkdir "$dir/$_" for qw(site.d mason sessions);
    write_file("$dir/site.pm", $config);
    write_file("$dir/people", $people);
    write_file("$dir/sendmail", "#!/bin/sh\ncat >>$dir/mail\n", 0755);
    local %ENV = (%ENV, %env, APPLICATION_PORT => 80);
    write_file("$dir/password", "rootpassword\n");
    run_quietly($dir, 'rt-setup-database-5', '--action', 'init', '--dba', '', '--dba-password', '', '--root-password-file', "$dir/password");
    run_quietly($dir, 'rt-setup-database-5', '--action', 'insert', '--dba', '', '--dba-password', '', '--datafile', "$dir/people");
    return { psgi => '/usr/share/request-tracker5/libexec/rt-server', env => \%env };
}

sub log_in {
    my ($browser, $name, $password) = @_;
    $browser->submit_form(with_fields => { user => $name, pass => $password });
}

# Dies with where it begins, if what came is not what went.
sub differ {
    my ($got, $sent) = @_;
    return if $got eq $sent;
    my ($same) = ($got ^ $sent) =~ /^(\0*)/;
    my $at = length $same;
    die length($got) . " bytes; at $at " . unpack('H*', substr $got, $at, 16) . ', not ' . unpack('H*', substr $sent, $at, 16) . "\n";
}

sub flow {
    my ($browser, $dir) = @_;
    my $n    = $browser->number;
    my $mark = mark($n);
    my $id;
    my ($name, $password) = $n eq 'root' ? ('root', 'rootpassword') : ("user$n", "password-$n");

    step 'a wrong password is refused' => sub {
        $browser->visit('/');
        $browser->has('Login');
        $browser->{autocheck} = 0;
        log_in($browser, $name, 'wrong');
        $browser->{autocheck} = 1;
        $browser->has('Your username or password is incorrect');
    };
    step 'log in' => sub {
        log_in($browser, $name, $password);
        $browser->has('RT at a glance', qr/>\Q$name\E</);
    };
    step 'a ticket with an attachment' => sub {
        $browser->visit('/Ticket/Create.html?Queue=1');
        $browser->form_name('TicketCreate') or die 'no form';
        $browser->current_form->find_input('Attach')->content($attachment);
        $browser->current_form->find_input('Attach')->filename("file-$n.bin");
        $browser->current_form->find_input('Attach')->headers('Content-Type' => 'application/octet-stream');
        $browser->submit_form(form_name => 'TicketCreate', button => 'SubmitTicket',
            fields => { Subject => "subject $mark", Content => "body $mark" });
        $browser->has(qr/Ticket \d+ created in queue/);
        ($id) = $browser->content =~ /Ticket (\d+) created/;
    };
    step 'the ticket is shown' => sub {
        $browser->visit("/Ticket/Display.html?id=$id");
        $browser->has("#$id: subject $mark", "file-$n.bin");
        $browser->visit("/Ticket/History.html?id=$id");
        $browser->has("body $mark");
    };
    step 'the attachment comes back as it went' => sub {
        my $link = $browser->find_link(url_regex => qr{Attachment/\d+/\d+/file-}) or die 'no link';
        my $got  = $browser->get($link->url_abs)->content;
        differ($got, $attachment);
    };
    step 'a reply' => sub {
        $browser->visit("/Ticket/Update.html?Action=Respond&id=$id");
        $browser->submit_form(form_name => 'TicketUpdate', button => 'SubmitTicket', fields => { UpdateContent => "reply $mark" });
        $browser->has('Correspondence added');
        $browser->visit("/Ticket/History.html?id=$id");
        $browser->has("reply $mark");
    };
    step 'a change of subject' => sub {
        $browser->visit("/Ticket/Modify.html?id=$id");
        $browser->submit_form(form_name => 'TicketModify', fields => { Subject => "changed $mark" });
        $browser->has("changed $mark");
    };
    step 'search' => sub {
        $browser->visit("/Search/Results.html?Query=Subject+LIKE+'mark-$n-'");
        $browser->has("changed $mark", qr/Found \d+ ticket/);
    };
    step 'search, as a table' => sub {
        $browser->follow_link(url_regex => qr{Search/Results\.tsv}) or die 'no link';
        my $table = decode_utf8($browser->response->content);
        $table =~ /changed \Q$mark\E/ or die $browser->uri . "\n" . $browser->response->as_string;
    };
    step "somebody else's ticket is refused" => sub {
        return if $n eq 'root';
        $browser->{autocheck} = 0;
        $browser->visit('/Ticket/Display.html?id=1');
        $browser->{autocheck} = 1;
        $browser->has('No permission to view ticket');
    };
    step 'style and script' => sub {
        $browser->visit('/');
        my ($css) = $browser->content =~ m{href="([^"]+\.css)"} or die 'no style sheet';
        my $first = $browser->visit($css);
        length $first->content > 10_000 && $first->content_type eq 'text/css' or die $first->status_line;
        $browser->back;
        my ($js) = $browser->content =~ m{src="([^"]+\.js)"} or die 'no script';
        length $browser->visit($js)->content > 100_000 or die 'short';
    };
    step 'the mail has gone' => sub {
        open my $mail, '<', "$dir/mail" or die "mail: $!";
        grep { /^Subject: (.+)/ && decode('MIME-Header', $1) =~ /\[test #$id\]/ } readline $mail or die "no mail about $id\n";
    };
    step 'log out' => sub {
        $browser->visit('/');
        $browser->follow_link(url_regex => qr/Logout/);
        $browser->has('You have been logged out');
        $browser->visit("/Ticket/Display.html?id=$id");
        $browser->has('Login');
        $browser->lacks($mark);
    };
}

return {
    name => 'request-tracker5', framework => 'HTML::Mason', packages => [qw(request-tracker5 rt5-db-sqlite)],
    debconf => ['request-tracker5 request-tracker5/dbconfig-install boolean false'],
    setup => \&setup, flow => \&flow, first => 'root',
};
