# Applications that die, leave, fork, answer nonsense and keep what is not theirs: what the client
# gets, what the log says, and what becomes of the worker. Path by path in danger.psgi.
use strict;
use warnings;
use File::Basename qw(dirname);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Door;
use Wire;

my %door = Door->all;
my $fault = 'Internal Server Error';

# path, status, body, and what is said in the log; `cut`: it must not look whole; `gone`: the worker
# is replaced.
my @stays = (
    [ '/die', 500, $fault, qr/^died$/m ],
    [ '/die/object', 500, $fault, qr/^a false object$/m ],
    [ '/die/unspeakable', 500, $fault, qr/could not be stringified/ ],
    [ '/die/errors', 500, $fault, qr/^replaced: elsewhere$/m ],
    [ '/die/getline', 500, $fault, qr/^in getline\n.*?^pieces closed$/ms ],
    [ '/die/later', 200, 'first', qr/^in getline\n.*?^pieces closed$/ms, 'cut' ],
    [ '/die/code', 500, $fault, qr/^in the CODE$/m ],
    [ '/die/writer', 200, 'first', qr/^in the writer$/m, 'cut' ],
    [ '/die/cleanup', 200, qr/^\d+$/, qr/^in cleanup$/m ],
    [ '/last', 500, $fault, qr/outside a loop block/ ],
    [ '/array', 200, '0x' ],
    [ '/zero', 200, '0' ],
    [ '/latin', 200, "\xe91" ],
    [ '/number', 200, '1.57' ],
    [ '/ref', 500, $fault, qr/reference/ ],
    [ '/wide', 500, $fault, qr/Wide character in response body/ ],
    [ '/wide/field', 500, $fault, qr/Wide character in response header/ ],
    [ '/wide/getline', 200, 'first', qr/Wide character/, 'cut' ],
    [ '/wide/write', 200, qr/^caught: Wide character/ ],
    [ '/getline', 200, 'ab', qr/^pieces closed$/m ],
    [ '/path', 200, 'not the file' ],
    [ '/file', 200, qr/\At applications do/ ],
    [ '/file/length', 200, '# What' ],
    [ '/file/memory', 200, 'in memory' ],
    [ '/file/crlf', 200, "a\nb" ],
    [ '/separator', 200, 'newline' ],
    [ '/newline', 500, $fault, qr/X-A/ ],
    [ '/name', 500, $fault, qr/X-A/ ],
    [ '/odd', 500, $fault, qr/odd number/ ],
    [ '/undef', 200, 'x', qr/X-A/ ],
    [ '/none', 500, $fault, qr/response is undef/ ],
    [ '/string', 500, $fault, qr/response is a plain scalar/ ],
    [ '/hash', 500, $fault, qr/response is HASH/ ],
    [ '/two', 500, $fault, qr/2 elements/ ],
    [ '/999', 500, $fault, qr/999/ ],
    [ '/101', 500, $fault, qr/101/ ],
    [ '/never', 500, $fault, qr/never called/ ],
    [ '/twice', 200, 'once', qr/^croaked: .*called twice/m ],
    [ '/open', 200, 'not closed', qr/not closed/ ],
    [ '/closed', 200, 'a', qr/^croaked: .*closed/m ],
    [ '/poll', 200, 'no' ],
    [ '/keep', 200, '' ],
    [ '/kept', 200, 'croaked croaked croaked' ],
    [ '/cleanup', 200, qr/^\d+$/, qr{^cleanup 1 of /cleanup\n.*?^cleanup 2\n.*?^cleanup 3\n.*?^cleanup 4$}ms ],
    [ '/cleanup/gone', 200, qr/^\d+$/ ],
    [ '/inform/bad', 200, 'croaked' ],
    [ '/inform/late', 200, 'false' ],
    [ '/logger', 200, 'x', qr/ WARN worker=\d+ .*by the logger/ ],
    [ '/io', 200, 'IO::Socket::INET' ],
    [ '/assign', 200, 'x' ],
    [ '/env', 200, qr/^PATH_INFO=\/env\n.*?^QUERY_STRING=\n.*?^SCRIPT_NAME=\n.*?^psgi\.multithread=\n.*?^psgi\.streaming=1$/ms ],
    [ '/input', 200, "\0\0\0|0|undef|0" ],
    [ "POST /input HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab\ncdefgh", 200, "ab\ncd|2|ab\n|0" ],
    [ '/fork', 200, 'parent 0' ],
    [ '/fork/die', 200, 'parent 255', qr/^the child dies$/m ],
    [ '/fork/exit', 200, 'parent 5' ],
    [ '/system', 200, "child\n3" ],
    [ '/perl', 200, '42' ],
    [ '/alarm', 200, "alarm\n" ],
    [ '/signal', 200, qr/^\d+$/ ],
);
my @leaves = (
    [ '/exit', 500, $fault, qr/^END of \d+ with 7$/m ],
    [ '/exit/writer', 200, 'first', qr/^END of \d+ with 4$/m, 'cut' ],
    [ '/exit/destroy', 200, qr/^\d+$/, qr/^END of \d+ with 9$/m ],
    map { [ $_, 200, qr/^\d+$/, qr/^END of \d+ with 0$/m ] }
        qw(/harakiri /harakiri/writer /harakiri/getline /harakiri/cleanup),
);

for my $door (sort keys %door) {
    my $server = Door->start($door{$door}, '-E', 'production', '--max-workers=1', '--max-reqs-per-child=0',
        dirname(__FILE__) . '/danger.psgi');

    for my $row (@stays, map { [ @$_[ 0 .. 3 ], $_->[4], 'gone' ] } @leaves) {
        my ($request, $status, $body, $log, $cut, $gone) = @$row;
        my ($name) = $request =~ m{(/\S*)};
        subtest "$door $name" => sub {
            my $before = Wire->connect($server->{port})->ask('/')->{body};
            my $seen   = length $server->log;
            my $wire   = Wire->connect($server->{port});
            my $answer = $wire->ask($request);
            is $answer->{status}, $status, 'status';
            ref $body ? like($answer->{body}, $body, 'body') : is($answer->{body}, $body, 'body');
            is $answer->{whole}, $cut ? 0 : 1, $cut ? 'it cannot look whole' : 'whole';

            # The next one, on the same connection where that lives.
            my $next = ($cut ? Wire->connect($server->{port}) : $wire)->ask('/');
            is $next->{status}, 200, 'the next request is answered';
            $gone ? isnt($next->{body}, $before, 'by another worker') : is($next->{body}, $before, 'by the same worker');
            $server->wait_for($log, $seen) if $log;
        };
    }
    others($server);
    is $server->stop, 0, "$door: stopped";
    is scalar(() = $server->log =~ /loaded once;/g), 1, "$door: what is printed at load without a newline, is printed once";
}

# What does not fit into a row.
sub others {
    my $server = shift;
    my $wire   = Wire->connect($server->{port});
    is $wire->ask('/inform')->{status}, 103, 'early hints';
    is $wire->answer->{status}, 103, 'and again';
    is $wire->answer->{body}, '1 1', 'then the answer';

    $wire->send("GET /io/101 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    is $wire->answer->{status}, 101, 'an upgrade';
    $wire->send("hello\n");
    is $wire->rest, "echo: hello\n", 'another protocol, then the end';

    $wire = Wire->connect($server->{port});
    $wire->send("GET /io/silent HTTP/1.1\r\nHost: a\r\n\r\n");
    is $wire->rest, "no HTTP at all\n", 'a connection that is the application\'s';

    my $kept = Wire->connect($server->{port})->ask('/env')->{body};
    unlike $kept, qr/assigned/, 'what was assigned in env, was assigned in that env';
}

subtest 'workers differ' => sub {
    my $server = Door->start($door{plackup}, '-E', 'production', '--max-workers=1', '--max-reqs-per-child=1',
        dirname(__FILE__) . '/danger.psgi');
    my %seen;
    $seen{$_}++ for map { split / /, Wire->connect($server->{port})->ask('/rand')->{body} } 1 .. 4;
    is scalar keys %seen, 8, 'in rand and in $$';
};

done_testing;
