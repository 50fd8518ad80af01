# The library loads into this perl, and what plackup derives from what was typed is undone.
use strict;
use warnings;
use Test::More;

BEGIN { use_ok 'Plack::Handler::Monoceros' }

can_ok 'Plack::Handler::Monoceros', qw(new run _run);

# As text, the options that reach the server.
sub options {
    return join ' ', map { join '=', @$_ } @{ Plack::Handler::Monoceros->new(@_)->{options} };
}

is options(host => undef, port => 5000, listen => [':5000'], socket => undef), 'listen=:5000', 'plackup alone';
is options(host => '::1', port => 80, listen => ['::1:80'], socket => undef), 'host=::1 port=80', '--host ::1 --port 80';
is options(host => '[', port => ':1]:5000', listen => ['[::1]:5000'], socket => undef), 'listen=[::1]:5000', '-l [::1]:5000';
is options(host => undef, port => 80, listen => [ ':80', '/x' ], socket => '/x'), 'listen=:80 listen=/x', '-l :80 -l /x';
is options(host => undef, port => undef, listen => ['/x'], socket => '/x'), 'listen=/x', '-S /x';
is options('socket-path' => '/x', host => undef, port => 5000, listen => [':5000'], socket => undef), 'socket_path=/x',
    '--socket-path replaces the default';
is options(socket_path => '/x', host => undef, port => 80, listen => [':80'], socket => undef), 'socket_path=/x listen=:80',
    '--socket-path stands beside what was typed';
is options(port => 80, host => '127.0.0.1'), 'port=80 host=127.0.0.1', 'Plack::Loader by hand';
is options({ 'max-workers' => 3 }), 'max_workers=3', 'a hash';

ok !eval { Plack::Handler::Monoceros->new('port'); 1 }, 'an odd list croaks';

done_testing;
