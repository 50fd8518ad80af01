# The table of danger.psgi: what its paths are answered, what is said in the log, and what becomes of the worker.
package Danger::Table;
use strict;
use warnings;
use Danger::Client;

my $fault = 'Internal Server Error';
my $pid   = qr/\A[0-9]+\z/;
my $left  = qr/^END of [0-9]+ with 0$/m;
my $snow  = "\xe2\x98\x83";

# Path => status, body, and:
#   log     what is said
#   fate    of the worker and the connection. Without: both stay. `cut`: the answer cannot look whole, the worker stays.
#           `left`: whole, and then another worker. `died`: another worker. `lost`: cut, and another worker.
#   request not GET
#   client  code that asks in another way, given the server and the row; its result is as Wire's
#   few     not thousands of times: it forks, waits, or takes long
#   real    not under valgrind, and why
my @table = (
    '/0-cleanup' => [ 200, $pid, log => qr{^cleanup 1 of /0-cleanup\n.*?^cleanup 2\n.*?^cleanup 3\n.*?^cleanup 4$}ms ],
    '/0-cleanup-gone'     => [ 200, $pid ],
    '/0-harakiri'         => [ 200, $pid, log => $left, fate => 'left' ],
    '/0-harakiri-writer'  => [ 200, $pid, log => $left, fate => 'left' ],
    '/0-harakiri-getline' => [ 200, $pid, log => $left, fate => 'left' ],
    '/0-harakiri-cleanup' => [ 200, $pid, log => $left, fate => 'left' ],
    '/0-inform'           => [ 200, '1 1', client => \&Danger::Client::hints ],
    '/0-inform-bad'       => [ 200, 'croaked' ],
    '/0-inform-late'      => [ 200, 'false' ],
    '/0-logger'           => [ 200, 'x', log => qr/ WARN worker=\d+ .*by the logger/ ],

    '/1-die'         => [ 500, $fault, log => qr/^died$/m ],
    '/1-object'      => [ 500, $fault, log => qr/^a false object$/m ],
    '/1-unspeakable' => [ 500, $fault, log => qr/could not be stringified/ ],
    '/1-wide'        => [ 500, $fault, log => qr/^$snow$/m ],
    '/1-hook'        => [ 500, $fault, log => qr/^the hook has hooked\n.*?^hooked$/ms ],
    '/1-state'       => [ 500, $fault, log => qr/^the state is 1$/m ],
    '/1-errors'      => [ 500, $fault, log => qr/^replaced: elsewhere$/m ],
    '/1-getline'     => [ 500, $fault, log => qr/^in getline\n.*?^pieces closed$/ms ],
    '/1-later'       => [ 200, 'first', log => qr/^in getline\n.*?^pieces closed$/ms, fate => 'cut' ],
    '/1-code'        => [ 500, $fault, log => qr/^in the CODE$/m ],
    '/1-writer'      => [ 200, 'first', log => qr/^in the writer$/m, fate => 'cut' ],
    '/1-cleanup'     => [ 200, $pid, log => qr/^in cleanup$/m ],

    '/2-exit'    => [ 500, $fault, log => qr/^END of \d+ with 7\n.*? status=7$/ms, fate => 'left' ],
    '/2-writer'  => [ 200, 'first', log => qr/^END of \d+ with 4\n.*? status=4$/ms, fate => 'lost' ],
    '/2-getline' => [ 200, 'first', log => qr/^END of \d+ with 5\n.*? status=5$/ms, fate => 'lost' ],
    '/2-destroy' => [ 200, $pid, log => qr/^END of \d+ with 9\n.*? status=9$/ms, fate => 'left' ],
    '/2-cleanup' => [ 200, $pid, log => qr/^END of \d+ with 6\n.*? status=6$/ms, fate => 'left' ],

    '/3-last'    => [ 500, $fault, log => qr/Can't "last" outside a loop block/ ],
    '/3-next'    => [ 500, $fault, log => qr/Can't "next" outside a loop block/ ],
    '/3-code'    => [ 500, $fault, log => qr/Can't "last" outside a loop block/ ],
    '/3-getline' => [ 500, $fault, log => qr/Can't "last" outside a loop block/ ],

    '/4-globs' => [ 200, 'in memory' ],
    '/4-kept'  => [ 200, 'x' ],

    '/5-select'   => [ 200, "alarm\n", few => 1 ],
    '/5-loop'     => [ 200, "alarm\n", few => 1 ],
    '/5-sleep'    => [ 200, "alarm\n", few => 1 ],
    '/5-write'    => [ 200, qr/\Ax+\z/, log => qr/^writing ended by alarm$/m, client => \&Danger::Client::reads_nothing, fate => 'cut', few => 1 ],
    '/5-uncaught' => [ 500, $fault, log => qr/^uncaught$/m, few => 1 ],
    '/5-default'  => [ 502, qr{\A(?:502 .*died\n)?\z}, log => qr/ signal=14$/m, fate => 'died' ],
    '/5-idle'     => [ 200, $pid, log => qr/^in a handler, idle\n.*?^END of \d+ with 255$/ms, client => Danger::Client::hit('URG'), fate => 'left' ],
    '/6-select'   => [ 200, "alarm\n", few => 1 ],
    '/6-loop'     => [ 200, "alarm\n", few => 1 ],
    '/6-write'    => [ 200, qr/\Ax+\z/, log => qr/^writing ended at once by alarm$/m, client => \&Danger::Client::reads_nothing, fate => 'cut', few => 1 ],
    '/6-load'     => [ 200, $pid, log => qr/^in an immediate handler, idle\n.*?^END of \d+ with 255$/ms, client => Danger::Client::hit('USR2'), fate => 'left' ],
    '/6-set'      => [ 200, $pid, log => qr/^set late, idle\n.*?^END of \d+ with 255$/ms, client => Danger::Client::hit('TTOU'), fate => 'left' ],

    '/7-count'   => [ 200, qr/\A[1-5][0-9][0-9]\z/, client => \&Danger::Client::count, few => 1 ],
    '/8-threads' => [ 200, 1 ],
    '/9-local'   => [ 200, $pid, log => $left, client => Danger::Client::hit('TERM'), fate => 'left' ],
    '/9-during'  => [ 200, $pid, log => $left, fate => 'left' ],

    '/10-masks'  => [ 200, qr/^SigBlk:\s0{16}\nSigIgn:\s[0-9a-f]{12}1000$/m, few => 1 ],
    '/10-status' => [ 200, "child\n3", few => 1 ],
    '/10-pipe'   => [ 200, 4, few => 1 ],
    '/10-epipe'  => [ 200, 'EPIPE' ],
    '/10-perl'   => [ 200, 42, few => 1 ],
    '/10-segv'   => [ 502, qr{\A(?:502 .*died\n)?\z}, log => qr/ signal=11$/m, fate => 'died' ],
    '/11-fds'    => [ 200, 'none', few => 1 ],
    '/11-fork'   => [ 200, $pid, client => \&Danger::Client::leaves_a_child, few => 1 ],

    '/12-return' => [ 200, 'parent 0', few => 1 ],
    '/12-die'    => [ 200, 'parent 255', log => qr/^the child dies$/m, few => 1 ],
    '/12-exit'   => [ 200, 'parent 5', few => 1 ],
    '/12-code'   => [ 200, 'parent 0', few => 1 ],
    '/12-write'  => [ 200, 'parent 255', log => qr/^The writer was kept past its request/m, few => 1 ],
    '/13-pid'    => [ 200, 'ours', few => 1 ],
    '/14-rand'   => [ 200, qr/\A0\.\d+ \d+\z/ ],

    '/15-deep'   => [ 200, qr/\A10{4,5}\z/, few => 1 ],
    '/15-nested' => [ 200, 'x', few => 1 ],
    '/16-env'    => [ 200, 0, few => 1 ],
    '/16-set'    => [ 200, 'x' ],
    '/17-end'    => [ 500, $fault, log => qr/ status=42$/m, fate => 'left' ],
    '/17-print'  => [ 200, $pid, log => qr/printed before TERM;/, client => Danger::Client::hit('TERM'), fate => 'left' ],
    '/17-last'   => [ 500, $fault, log => qr/^the last one is destroyed$/m, fate => 'left' ],
    '/18-title'  => [ 200, qr/\Adanger of \d+/, few => 1, real => 'valgrind keeps the arguments elsewhere' ],
    '/19-found'  => [ 200, 'PERL5OPT /found/by/I' ],
    '/19-trace'  => [ 200, qr/\Aa trace at \S*danger\.psgi line \d+/ ],
    '/20-print'  => [ 500, $fault, log => qr/printed, not flushed;/, fate => 'left' ],

    '/21-latin'      => [ 200, "\xe91" ],
    '/21-kept'       => [ 200, "\xe9" ],
    '/21-wide'       => [ 500, $fault, log => qr/Wide character in response body/ ],
    '/21-field'      => [ 500, $fault, log => qr/Wide character in response header/ ],
    '/21-getline'    => [ 200, 'first', log => qr/Wide character/, fate => 'cut' ],
    '/21-write'      => [ 200, qr/\Acaught: Wide character/ ],
    '/21-overloaded' => [ 500, $fault, log => qr/Wide character in response body/ ],
    '/22-array'      => [ 200, '0x' ],
    '/22-zero'       => [ 200, 0 ],
    '/22-number'     => [ 200, '1.57' ],
    '/22-object'     => [ 200, 'spoken' ],
    '/22-ref'        => [ 500, $fault, log => qr/reference/ ],
    '/22-tied-array' => [ 200, 'ab' ],
    '/22-tied-value' => [ 203, 'x' ],
    '/22-fetch'      => [ 500, $fault, log => qr/^in FETCH$/m ],
    '/22-speech'     => [ 500, $fault, log => qr/^not even this$/m ],
    '/22-undef'      => [ 200, 'x', log => qr/X-A/ ],
    '/22-newline'    => [ 500, $fault, log => qr/X-A/ ],
    '/22-name'       => [ 500, $fault, log => qr/X-A/ ],
    '/22-odd'        => [ 500, $fault, log => qr/odd number/ ],
    '/22-none'       => [ 500, $fault, log => qr/response is undef/ ],
    '/22-string'     => [ 500, $fault, log => qr/response is a plain scalar/ ],
    '/22-hash'       => [ 500, $fault, log => qr/response is HASH/ ],
    '/22-two'        => [ 500, $fault, log => qr/2 elements/ ],
    '/22-999'        => [ 500, $fault, log => qr/999/ ],
    '/22-101'        => [ 500, $fault, log => qr/101/ ],
    '/22-part'       => [ 500, $fault, log => qr/200\.5/ ],
    '/22-path'       => [ 200, 'not the file' ],

    '/23-assign' => [ 200, 'x' ],
    '/23-env'    => [ 200, qr/^PATH_INFO=\/23-env\n(?:(?!assigned).)*?^psgi\.multithread=\n(?:(?!assigned).)*?^psgi\.streaming=1\n(?!.*assigned)/ms ],

    '/24-whole'   => [ 200, 'whole' ],
    '/24-written' => [ 200, 'ab' ],
    '/24-file'    => [ 200, qr/\A# What/ ],
    '/24-lines'   => [ 200, 'ab', log => qr/^pieces closed$/m ],
    '/24-never'   => [ 500, $fault, log => qr/never called/ ],
    '/24-twice'   => [ 200, 'once', log => qr/^croaked: .*called twice/m ],
    '/24-open'    => [ 200, 'not closed', log => qr/not closed/ ],
    '/24-closed'  => [ 200, 'a', log => qr/^croaked: .*closed/m ],
    '/24-poll'    => [ 200, 'no' ],
    '/24-keep'    => [ 200, '' ],
    '/24-kept'    => [ 200, 'croaked croaked croaked' ],
    '/24-thread'  => [ 200, qr/\A(?:croaked|no threads)\z/, few => 1 ],

    '/25-file'      => [ 200, qr/\At applications do/ ],
    '/25-length'    => [ 200, '# What' ],
    '/25-object'    => [ 200, qr/\A# What/ ],
    '/25-memory'    => [ 200, 'in memory' ],
    '/25-crlf'      => [ 200, "a\nb" ],
    '/25-getline'   => [ 200, 'ab', log => qr/^pieces closed$/m ],
    '/25-endless'   => [ 200, 'left', log => qr/^the endless one closed$/m, client => \&Danger::Client::leaves_amid, few => 1 ],
    '/25-separator' => [ 200, 'newline' ],
    '/26-input'     => [ 200, "ab\ncd|2|ab\n|0", request => post('text/plain', "ab\ncdefgh") ],
    '/26-multipart' => [ 200, 'a value 400000', request => multipart(400_000) ],
    '/26-tell'      => [ 200, "a|b\n|3|more|0", request => post('text/plain', "ab\ncdefgh") ],
    '/27-io'        => [ 200, 'IO::Socket::INET exists same 127.0.0.1' ],
    '/27-copy'      => [ 200, 'IO::Socket::INET' ],
    '/27-close'     => [ 200, 'x' ],
    '/27-101'       => [ 101, "echo: hello\n", client => \&Danger::Client::upgrades ],
    '/27-silent'    => [ 200, "no HTTP at all\n", client => \&Danger::Client::hears_no_http ],

    '/28-status' => [ 500, $fault, log => qr/status/ ],
    '/28-length' => [ 500, $fault, log => qr/Content-Length/i ],
    '/28-nul'    => [ 500, $fault, log => qr/not a field name/ ],
    '/28-empty'  => [ 500, $fault, log => qr/not a field name/ ],
    '/28-fields' => [ 200, 'x' ],
    '/28-pieces' => [ 200, 'x' x 20_000 ],
    '/29-memory' => [ 500, $fault, log => qr/^Out of memory.*? status=1$/ms, fate => 'left', real => 'valgrind would be the one without memory' ],
    '/30-names'  => [ 200, 'b|text/html, text/plain|undef',
        request => "GET /30-names HTTP/1.1\r\nHost: a\r\ncontent_length: 7\r\nX-A: b\r\nx_a: c\r\nAccept: text/html\r\naccept: text/plain\r\n\r\n" ],

    '/31-tampers' => [ 200, 'x' ],
    '/31-as-new'  => [ 200, 'as new', client => \&Danger::Client::after_tampering ],
);

# The rows, in order: {path, status, body, log, fate, request, ...}.
sub rows {
    my @rows;
    for (my $i = 0; $i < @table; $i += 2) {
        my ($status, $body, %more) = @{ $table[ $i + 1 ] };
        my $fate = delete $more{fate} || '';
        $more{request} = $more{request}->($table[$i]) if ref $more{request};
        push @rows, {
            path => $table[$i], status => $status, body => $body, %more,
            whole => $fate eq 'cut' || $fate eq 'lost' ? 0 : 1,
            gone  => $fate =~ /\A(?:left|died|lost)\z/ ? 1 : 0,
        };
    }
    return @rows;
}

sub post {
    my ($type, $body) = @_;
    return sub {
        my $path = shift;
        return "POST $path HTTP/1.1\r\nHost: a\r\nContent-Type: $type\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    };
}

sub multipart {
    my $length = shift;
    my $part   = "--line\r\nContent-Disposition: form-data; name=";
    return post('multipart/form-data; boundary=line',
        "$part\"name\"\r\n\r\na value\r\n$part\"file\"; filename=\"x\"\r\n\r\n" . 'x' x $length . "\r\n--line--\r\n");
}

1;
