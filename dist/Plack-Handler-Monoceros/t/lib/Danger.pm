# How the paths of danger.psgi are tried: once each, with everything that the table says of them, or many times.
package Danger;
use strict;
use warnings;
use Cwd qw(abs_path);
use Danger::Table;
use Door;
use File::Basename qw(dirname);
use Test::More;
use Wire;

my $here = abs_path(dirname(__FILE__) . '/..');

# Opens a door for danger.psgi, with one worker.
sub start {
    my ($class, $door, @options) = @_;
    local $ENV{PERL5OPT} = '-MFound';
    local $ENV{PERL5LIB} = join ':', "$here/lib", $ENV{PERL5LIB} // ();
    return Door->start($door, '-E', 'production', '-I', '/found/by/I', '--max-workers=1', '--max-reqs-per-child=0',
        @options, "$here/danger.psgi");
}

# Asks once, as the row says, on a connection that may be had already; gives it back if it can be used again.
sub ask {
    my ($server, $row, $wire) = @_;
    return ($row->{client}->($server, $row), undef) if $row->{client};
    $wire ||= Wire->connect($server->{port});
    my $answer = $wire->ask($row->{request} || $row->{path});
    return ($answer, $answer->{whole} && $answer->{head} !~ /^Connection: close/mi ? $wire : undef);
}

# Everything that a row says.
sub proves {
    my ($server, $row) = @_;
    my $before = Wire->connect($server->{port})->ask('/')->{body};
    my $seen   = length $server->log;
    my ($answer, $wire) = ask($server, $row);
    is $answer->{status}, $row->{status}, 'status';
    ref $row->{body} ? like($answer->{body}, $row->{body}, 'body') : is($answer->{body}, $row->{body}, 'body');
    is $answer->{whole}, $row->{whole}, $row->{whole} ? 'whole' : 'it cannot look whole';
    $server->wait_for($row->{log}, $seen) if $row->{log};

    # The next one, on the same connection where that lives.
    my $next = ($wire || Wire->connect($server->{port}))->ask('/');
    is $next->{status}, 200, 'the next request is answered';
    $row->{gone} ? isnt($next->{body}, $before, 'by another worker') : is($next->{body}, $before, 'by the same worker');
    return;
}

1;
