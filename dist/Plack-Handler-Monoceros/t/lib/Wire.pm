# One connection, as bytes: what was answered, whether it came whole, and whether it was kept.
package Wire;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;

# How long an answer may take, in seconds.
our $patience = 25;

sub connect {
    my ($class, $port) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
    return bless { socket => $socket, bytes => '' }, $class;
}

# Sends a request, given as its path or whole, and reads its answer: {status, head, body, whole}.
sub ask {
    my ($self, $request) = @_;
    $request = "GET $request HTTP/1.1\r\nHost: a\r\n\r\n" if $request =~ m{\A/};
    $self->send($request);
    return $self->answer($request =~ /\AHEAD /);
}

sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{socket}, $bytes;
}

# The next answer, interim ones included.
sub answer {
    my ($self, $head_only) = @_;
    my $head = $self->_until(qr/\A(.*?\r\n)\r\n/s) or return { status => 0, head => '', body => '', whole => 0 };
    my ($status) = $head =~ m{\AHTTP/1\.1 ([0-9]{3})};
    my %answer = (status => $status, head => $head, body => '', whole => 1);
    return \%answer if $head_only || $status =~ /\A(?:1..|204|304)\z/;
    if ($head =~ /^Content-Length: ([0-9]+)/mi) {
        my $length = $1;
        1 while length $self->{bytes} < $length && $self->_more;
        $answer{whole} = length $self->{bytes} >= $length ? 1 : 0;
        $answer{body} = substr $self->{bytes}, 0, $length, '';
    }
    elsif ($head =~ /^Transfer-Encoding: chunked/mi) {
        while (defined(my $size = $self->_until(qr/\A([0-9a-fA-F]+)\r\n/))) {
            my $want = hex($size) + 2;
            1 while length $self->{bytes} < $want && $self->_more;
            $answer{body} .= substr substr($self->{bytes}, 0, $want, ''), 0, hex $size;
            return \%answer if !hex $size;
        }
        $answer{whole} = 0;
    }
    else {
        1 while $self->_more;
        ($answer{body}, $self->{bytes}) = ($self->{bytes}, '');
        $answer{whole} = $self->{reset} ? 0 : 1;
    }
    return \%answer;
}

# Whether the other side has ended it.
sub ended { my $self = shift; return !$self->_more && !length $self->{bytes} }

# Everything up to the end, raw.
sub rest {
    my $self = shift;
    1 while $self->_more;
    return $self->{bytes};
}

# At least so many bytes, raw.
sub some {
    my ($self, $length) = @_;
    1 while length $self->{bytes} < $length && $self->_more;
    return $self->{bytes};
}

sub _until {
    my ($self, $match) = @_;
    while (1) {
        if ($self->{bytes} =~ $match) {
            my ($found, $end) = ($1, $+[0]);
            substr $self->{bytes}, 0, $end, '';
            return $found;
        }
        $self->_more or return;
    }
}

sub _more {
    my $self = shift;
    IO::Select->new($self->{socket})->can_read($patience) or die "nothing came for $patience seconds\n";
    my $read = sysread $self->{socket}, $self->{bytes}, 65_536, length $self->{bytes};
    $self->{reset} = 1 unless defined $read;
    return $read;
}

1;
