# Clients that do more than ask and read. Each gets the server and a row of the table, and gives back an answer, as
# Wire does.
package Danger::Client;
use strict;
use warnings;
use Wire;

# Early hints before the answer.
sub hints {
    my ($server, $row) = @_;
    my $wire = Wire->connect($server->{port});
    my @seen = ($wire->ask($row->{path}), $wire->answer);
    return $wire->answer if 2 == grep { $_->{status} == 103 } @seen;
    return $seen[0];
}

# Sends a signal to the worker that has answered and waits for the next request: it leaves.
sub hit {
    my $signal = shift;
    return sub {
        my ($server, $row) = @_;
        my $answer = Wire->connect($server->{port})->ask($row->{path});
        kill $signal => $answer->{body} if $answer->{status} == 200;
        $server->until_gone($answer->{body});
        return $answer;
    };
}

# What is done to one env, or kept of it, and the next one after it.
sub after_tampering {
    my ($server, $row) = @_;
    my $wire = Wire->connect($server->{port});
    my @seen = map { $wire->ask($_) } map { ($_, $row->{path}) } '/31-tampers', '/31-keeps';
    return $seen[1]{body} eq $row->{body} ? $seen[3] : $seen[1];
}

# 500 signals, five between one request and the next: how many times the handler was called, between 100 and 500.
sub count {
    my ($server, $row) = @_;
    my $wire   = Wire->connect($server->{port});
    my $worker = $wire->ask('/')->{body};
    my $before = $wire->ask($row->{path})->{body};
    for (1 .. 100) {
        kill RTMIN => $worker for 1 .. 5;
        $wire->ask('/');
    }
    my $answer = $wire->ask($row->{path});
    $answer->{body} -= $before;
    return $answer;
}

# Reads the answer only when the application has given up writing.
sub reads_nothing {
    my ($server, $row) = @_;
    my $seen = length $server->log;
    my $wire = Wire->connect($server->{port});
    $wire->send("GET $row->{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    $server->says($row->{log}, $seen);
    return $wire->answer;
}

# The end comes at once, though a child of the application holds the socket.
sub leaves_a_child {
    my ($server, $row) = @_;
    my $wire   = Wire->connect($server->{port});
    my $answer = $wire->ask("GET $row->{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    $answer->{whole} = 0 if length $wire->rest;
    kill KILL => $answer->{body} if $answer->{body} =~ /\A[0-9]+\z/;
    return $answer;
}

# Reads a part, and goes.
sub leaves_amid {
    my ($server, $row) = @_;
    my $seen = length $server->log;
    my $wire = Wire->connect($server->{port});
    $wire->send("GET $row->{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    $wire->some(300_000);
    undef $wire;
    return { status => 200, body => $server->says($row->{log}, $seen) ? 'left' : 'stayed', whole => 1, head => '' };
}

sub upgrades {
    my ($server, $row) = @_;
    my $wire = Wire->connect($server->{port});
    $wire->send("GET $row->{path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    my $answer = $wire->answer;
    $wire->send("hello\n");
    $answer->{body} = $wire->rest;
    return $answer;
}

sub hears_no_http {
    my ($server, $row) = @_;
    my $wire = Wire->connect($server->{port});
    $wire->send("GET $row->{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    return { status => 200, body => $wire->rest, whole => 1, head => '' };
}

1;
