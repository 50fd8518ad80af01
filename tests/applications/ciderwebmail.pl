# CiderWebmail (Catalyst, Moose, DBIx::Class, Petal): web mail, with an IMAP server of its own and a sendmail that
# puts what it gets into the mailbox. Each visitor has a mailbox; sessions are in a shared memory map.
#
# Faults of its own, with every server: the address book shows letters beyond ASCII wrongly; it cannot send attachments
# (it encodes the name of the uploaded file as a mail's field), so the one that is tested is in the mailbox from the
# start; and everybody's messages must have numbers of their own, because it remembers headers by folder and number
# alone, as long as its process lives and whoever asks.
#
# The model opens its SQLite database while the application is preloaded; DBIx::Class notices the fork. Needs root, as
# Dovecot does.
package Application::CiderWebmail;
use strict;
use warnings;
use Application qw(step write_file run_quietly mark);
use MIME::Base64 qw(encode_base64);
use Test::TCP qw(empty_port);

my $attachment = join '', map { pack 'N', $_ * 2_654_435_761 % 4_294_967_296 } 1 .. 50_000;

sub dovecot {
    my ($dir, $port) = @_;
    return <<"END";
base_dir = $dir/dovecot
log_path = $dir/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_max_userip_connections = 200
first_valid_uid = 1
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = password=password-%u
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$dir/mail/%u
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = subscribe
  }
}
END
}

sub welcome {
    my $n = shift;
    return <<"END" . encode_base64($attachment) . "--frontier--\n";
From: welcome\@localhost
To: user$n\@localhost
Subject: welcome mark-$n-
Date: Sat, 1 Jan 2022 12:00:00 +0000
Message-ID: <welcome-$n\@localhost>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=frontier

--frontier
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

@{[encode_base64("welcome, visitor $n \xE2\x98\x83\n")]}
--frontier
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=file-$n.bin
Content-Transfer-Encoding: base64

END
}

sub setup {
    my $dir  = shift;
    my $port = empty_port();
    mkdir "$dir/$_" for qw(bin mail var);
    for my $n (0 .. 8) {
        run_quietly($dir, 'mkdir', '-p', map { "$dir/mail/user$n/Maildir/$_" } qw(cur new tmp));
        write_file("$dir/mail/user$n/Maildir/dovecot-uidlist", "3 V1600000000 N" . ($n + 1) * 1_000 . " G" . sprintf("%032x", $n + 1) . "\n");
        write_file("$dir/mail/user$n/Maildir/new/1.first",
welcome($n), 0666);
    }
    run_quietly($dir, 'chown', '-R', 'mail:mail', "$dir/mail");
    write_file("$dir/bin/sendmail", <<"END", 0755);
#!/bin/sh
for to; do :; done
name=\$(date +%s%N).\$\$
umask 0; cat >"$dir/mail/\${to%\@*}/Maildir/tmp/\$name" && mv "$dir/mail/\${to%\@*}/Maildir/tmp/\$name" "$dir/mail/\${to%\@*}/Maildir/new/\$name"
END
    write_file("$dir/dovecot.conf", dovecot($dir, $port));
    run_quietly($dir, 'dovecot', '-c', "$dir/dovecot.conf");
    write_file("$dir/ciderwebmail.conf", <<"END");
name CiderWebmail
<server>
    host 127.0.0.1
    port $port
</server>
<managesieve>
    mode off
</managesieve>
language en
<send>
    method sendmail
</send>
<Model::DB>
    connect_info dbi:SQLite:$dir/var/settings.sqlite
</Model::DB>
<Plugin::Session>
    storage $dir/var/session
</Plugin::Session>
END
    write_file("$dir/app.psgi", <<'END');
use strict;
use warnings;
use CiderWebmail;
CiderWebmail->apply_default_middlewares(CiderWebmail->psgi_app);
END
    my %env = (CIDERWEBMAIL_HOME => '/usr/share/ciderwebmail', CIDERWEBMAIL_CONFIG => "$dir/ciderwebmail.conf", PATH => "$dir/bin:$ENV{PATH}");
    local %ENV = (%ENV, %env);
    run_quietly($dir, $^X, '-MCiderWebmail', '-e', '1');    # makes the tables
    return { psgi => "$dir/app.psgi", env => \%env };
}

sub cleanup {
    my $dir = shift;
    run_quietly($dir, 'doveadm', '-c', "$dir/dovecot.conf", 'stop');
}

sub flow {
    my ($browser, $dir) = @_;
    my $n    = $browser->number;
    my $mark = mark($n) . " $$ " . time;
    my ($message, $inbox);

    step 'a wrong password is refused' => sub {
        $browser->{autocheck} = 0;
        $browser->visit('/');
        $browser->submit_form(with_fields => { username => "user$n", password => 'wrong' });
        $browser->{autocheck} = 1;
        $browser->status == 403 or die $browser->status . "\n";
        $browser->has('Invalid username or password.');
    };
    step 'log in' => sub {
        $browser->submit_form(with_fields => { username => "user$n", password => "password-user$n" });
        $browser->has("welcome mark-$n-", 'INBOX');
        $inbox = "$browser->{visitor_base}/mailbox/INBOX";
    };
    step 'a message is read' => sub {
        $browser->follow_link(text_regex => qr/welcome mark-$n-/);
        $browser->has("welcome, visitor $n \x{2603}", "file-$n.bin");
    };
    step 'its attachment is what it was' => sub {
        my $link = $browser->find_link(url_regex => qr{part/download/}) or die 'no link';
        my $got  = $browser->get($link->url_abs)->content;
        $got eq $attachment or die length($got) . " bytes\n";
    };
    step 'a message is sent' => sub {
        $browser->get($inbox);
        $browser->follow_link(url_regex => qr{/compose$});
        my $form = $browser->form_id('compose_form') or die 'no form';
        my $sent = ($form->find_input('sent_folder')->possible_values)[0];
        $browser->submit_form(form_id => 'compose_form', fields => {
            from => "user$n\@localhost", to => "user$n\@localhost", subject => "subject $mark", body => "body $mark", sent_folder => $sent });
        $browser->uri =~ m{^\Q$inbox\E} or die "went to " . $browser->uri;
    };
    step 'it has arrived' => sub {
        for (1 .. 20) {
            $browser->get($inbox);
            last if index($browser->content, "subject $mark") >= 0;
        }
        $browser->has("subject $mark");
        $browser->follow_link(text_regex => qr/subject \Q$mark\E/);
        $browser->has("body $mark");
        $message = $browser->uri;
    };
    step 'its source' => sub {
        $browser->get("$message/view_source");
        $browser->has(qr/^Subject: =\?UTF-8/mi, qr/^Content-Type: multipart/mi);
    };
    step 'search' => sub {
        $browser->get("$inbox?filter=mark-$n-");
        $browser->has("subject $mark");
    };
    step 'the address book' => sub {
        $browser->visit('/addressbook/modify/add');
        $browser->submit_form(button => 'update',
            with_fields => { firstname => "First mark-$n-", surname => 'Last', email => "friend$n\@example.com" });
        $browser->visit('/addressbook/list');
        $browser->has("First mark-$n-", "friend$n\@example.com");
    };
    step 'a style sheet' => sub {
        my $answer = $browser->visit('/static/css/base.css');
        $answer->content_type eq 'text/css' && length $answer->content > 100 or die $answer->as_string;
    };
    step 'log out' => sub {
        $browser->visit('/logout');
        $browser->{autocheck} = 0;
        $browser->get($inbox);
        $browser->{autocheck} = 1;
        $browser->has('name="password"');
        $browser->lacks($mark);
    };
}

return {
    name => 'ciderwebmail', framework => 'Catalyst', packages => [qw(ciderwebmail dovecot-imapd libwww-mechanize-perl)],
    setup => \&setup, flow => \&flow, cleanup => \&cleanup,
};
