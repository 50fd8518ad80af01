# openQA (Mojolicious, DBIx::Class, Minion): the web interface of the test system, on a PostgreSQL of its own.
#
# Three people log in by openQA's own test method; each visitor has a session of its own with a CSRF token, and every
# change is refused without that session's. It is loaded by every worker for itself, as who is careful with database
# handles does; it works preloaded, too. The program is copied, because it writes style sheets beside itself.
package Application::OpenQA;
use strict;
use warnings;
use Application qw(step write_file run_quietly);
use JSON::PP qw(decode_json);

my @people = (['Demo', 'Demo User'], ['otherdeveloper', 'Other developer']);

# Runs a command of PostgreSQL, which refuses to be root.
sub postgres {
    my ($dir, $command, @rest) = @_;
    my ($bin) = reverse sort glob '/usr/lib/postgresql/*/bin';
    run_quietly($dir, ($> ? () : ('runuser', '-u', 'postgres', '--')), "$bin/$command", @rest);
}

sub setup {
    my $dir = shift;
    mkdir "$dir/$_" for qw(postgres openqa openqa/db openqa/share openqa/share/factory openqa/share/factory/other etc);
    mkdir "$dir/openqa/$_" for qw(testresults images share/tests webui webui/cache);
    chmod 0777, "$dir/postgres";
    write_file("$dir/etc/openqa.ini", "[auth]\nmethod = Fake\n[logging]\nlevel = warn\n[audit]\nblocklist = job_grab job_done\n");
    write_file("$dir/etc/database.ini", "[production]\ndsn = DBI:Pg:dbname=openqa;host=$dir/postgres;user=openqa\n");
    write_file("$dir/openqa/share/factory/other/asset.bin", join '', map { pack 'N', $_ } 0 .. 499_999);
    chdir $dir;
    postgres($dir, 'initdb', '-D', "$dir/postgres/data", '-U', 'openqa', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync');
    postgres($dir, 'pg_ctl', '-D', "$dir/postgres/data", '-w', '-l', "$dir/postgres/log", '-o', "-k $dir/postgres -c listen_addresses= -c fsync=off", 'start');
    postgres($dir, 'createdb', '-h', "$dir/postgres", '-U', 'openqa', 'openqa');
    my %env = (OPENQA_CONFIG => "$dir/etc", OPENQA_BASEDIR => $dir, OPENQA_DATABASE => 'production', MOJO_MODE => 'production');
    local %ENV = (%ENV, %env);
    run_quietly($dir, 'sh', '-c', 'cp -rL /usr/share/openqa "$1"; test -x "$1/script/openqa"', 'sh', "$dir/program");    # one link is broken
    run_quietly($dir, "$dir/program/script/initdb", '--init_database');
    run_quietly($dir, "$dir/program/script/openqa", 'eval', '1');                                                     # style sheets
    return { psgi => "$dir/program/script/openqa", env => \%env, preload => 0 };
}

sub cleanup {
    my $dir = shift;
    chdir '/';
    postgres($dir, 'pg_ctl', '-D', "$dir/postgres/data", '-m', 'fast', '-w', 'stop');
}

sub flow {
    my ($browser, $dir) = @_;
    my $n = $browser->number;
    my ($user, $full) = @{ $people[ $n % @people ] };
    my $note = "note $n \x{2603}";
    my ($token, $group, $job);
    my $json = sub { decode_json($browser->response->decoded_content(charset => 'none')) };
    my $post = sub {
        my ($path, %fields) = @_;
        utf8::encode($_) for values %fields;
        $browser->post("$browser->{visitor_base}$path", \%fields, 'X-CSRF-Token' => $token);
    };

    step 'the front page' => sub {
        $browser->visit('/');
        $browser->has('Welcome to openQA', 'Login');
    };
    step 'what needs a user is refused' => sub {
        $browser->visit('/admin/users');
        $browser->uri->path ne '/admin/users' || $browser->content =~ /Demo User/ or die 'shown';
    };
    step 'log in' => sub {
        # Two first log-ins of one person at once are one too many for openQA: the first visitor is everybody once.
        $browser->visit("/login?user=$_") for $n ? () : map { $_->[0] } @people;
        $browser->visit("/login?user=$user");
        $browser->visit('/');
        $browser->has(qr/Logged in\s+as\s+\Q$user\E/, 'Logout');
        $browser->visit('/session/test');
        $browser->has("You can see this because you are $user");
        $browser->visit('/api_keys');
        ($token) = $browser->content =~ /<meta name="csrf-token" content="(\w+)"/ or die 'no token';
    };
    step "a change without the session's token is refused" => sub {
        $browser->{autocheck} = 0;
        my $answer = $browser->post("$browser->{visitor_base}/api/v1/job_groups", { name => 'forged' }, 'X-CSRF-Token' => 'x');
        $browser->{autocheck} = 1;
        $answer->code == 403 && $answer->content =~ /Bad CSRF token/ or die $answer->as_string;
    };
    step 'an API key, by its form' => sub {
        $browser->visit('/api_keys');
        my $before = () = $browser->content =~ /<td class="key">/g;
        $browser->submit_form(form_number => $_) for grep {
            my $form = ($browser->forms)[$_ - 1];
            $form->action =~ /api_keys$/ && ($form->find_input('_method') ? 0 : 1)
        } 1 .. @{ $browser->forms };
        $browser->has($user);
    };
    step 'a group of jobs' => sub {
        $post->('/api/v1/job_groups', name => "group $n $$ $browser->{visitor_base}", description => $note);
        $group = $json->()->{id} or die $browser->content;
        $browser->visit("/group_overview/$group");
        $browser->has("group $n $$");
    };
    step 'a job' => sub {
        $post->('/api/v1/jobs', TEST => "test-$n-$$", DISTRI => 'debian', VERSION => '12', FLAVOR => 'net', ARCH => 'x86_64',
            BUILD => "b$n", NOTE => $note, _GROUP_ID => $group);
        $job = $json->()->{id} or die $browser->content;
        $browser->visit("/tests/$job");
        $browser->has("test-$n-$$", qr/Logged in\s+as\s+\Q$user\E/);
        $browser->visit("/tests/$job/settings_ajax");
        $browser->has($note);
    };
    step 'a comment' => sub {
        $post->("/api/v1/jobs/$job/comments", text => "a **comment** of $note");
        $browser->visit("/tests/$job/comments_ajax");
        $browser->has("<strong>comment</strong> of $note", $user);
    };
    step 'the list of jobs' => sub {
        $browser->visit('/tests');
        $browser->visit('/tests/list_scheduled_ajax');
        grep { $_->{test} =~ /test-$n-$$/ } @{ $json->()->{data} } or die 'not in it';
    };
    step 'the audit log, as a table of the server' => sub {
        $browser->visit('/admin/auditlog/ajax?length=50&start=0&draw=1&order[0][column]=0&order[0][dir]=desc');
        grep { $_->{user} eq $user } @{ $json->()->{data} } or die $browser->content;
    };
    step 'cancelling the job' => sub {
        $post->("/api/v1/jobs/$job/cancel");
        $browser->visit("/api/v1/jobs/$job");
        $json->()->{job}{state} eq 'done' || $json->()->{job}{state} eq 'cancelled' or die $browser->content;
    };
    step 'a piece of a large file' => sub {
        my $answer = $browser->visit('/assets/other/asset.bin', Range => 'bytes=1000000-1000007');
        $answer->code == 206 && $answer->content eq pack('NN', 250_000, 250_001) or die $answer->as_string;
        length $browser->visit('/assets/other/asset.bin')->content == 2_000_000 or die 'the whole is not whole';
    };
    step 'style and script' => sub {
        $browser->visit('/');
        for my $pattern (qr{href="([^"]+\.css)"}, qr{src="([^"]+\.js)"}) {
            my ($path) = $browser->content =~ $pattern or die "no $pattern";
            length $browser->visit($path)->content > 10_000 or die $path;
            $browser->back;
        }
    };
    step 'log out' => sub {
        $browser->visit('/logout');
        $browser->visit('/');
        $browser->has('Login');
        $browser->lacks('Logged in', 'Logout');
    };
}

return {
    name => 'openqa', framework => 'Mojolicious', packages => [qw(openqa postgresql libdbd-pg-perl ruby-sass)],
    setup => \&setup, flow => \&flow, cleanup => \&cleanup,
};
