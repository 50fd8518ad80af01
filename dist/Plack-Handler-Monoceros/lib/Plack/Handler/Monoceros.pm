package Plack::Handler::Monoceros;
use strict;
use warnings;

our $VERSION = '0.1.0';

use Carp ();
use POSIX ();
require XSLoader;
XSLoader::load(__PACKAGE__, $VERSION);

# Options that are code stay here; everything else is text, and the server knows what it means.
my @CODE = qw(server_ready psgi_app_builder child_exit);

sub new {
    my ($class, @options) = @_;
    @options = %{ $options[0] } if @options == 1 && ref $options[0] eq 'HASH';
    @options % 2 == 0 or Carp::croak("$class->new takes pairs of option and value");

    my (%code, @pairs);
    while (my ($name, $value) = splice @options, 0, 2) {
        $name =~ tr/-/_/;
        if ($name eq 'psgi_app_builder') {
            $code{$name} = $value;
        }
        elsif (ref $value eq 'CODE') {
            $code{$name} = $value;
            push @pairs, $name, undef if $name ne 'child_exit';    # that may be text, too
        }
        elsif ($name eq 'listen_sock') {
            defined eval { fileno $value } or Carp::croak('listen_sock is no open handle');
            push @{ $code{$name} }, $value;
        }
        else {
            push @pairs, $name, $_ for ref $value eq 'ARRAY' ? @$value : $value;
        }
    }
    return bless { %code, options => \@pairs }, $class;
}

# Serves until told to stop. Comes back in the supervisor only: a worker leaves by itself.
sub run {
    my ($self, $app) = @_;

    my @options = @{ $self->{options} };
    my %code    = map { $_ => $self->{$_} } grep { ref $self->{$_} eq 'CODE' } @CODE;

    # The server gets descriptors of its own: the handles stay whose they are.
    for my $socket (@{ $self->{listen_sock} || [] }) {
        push @options, listen_sock => POSIX::dup(fileno $socket) // Carp::croak("listen_sock: $!");
    }

    # plackup -L Delayed sets it on the object, after new: then every worker loads for itself.
    push @options, preload_app => 0 if $code{psgi_app_builder};

    my $status = _run($app, \@options, \%code);
    exit $status if $status;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

Plack::Handler::Monoceros - ten thousand clients on a handful of ordinary blocking workers

=head1 SYNOPSIS

    plackup -s Monoceros --port 5000 --max-workers 15 -a app.psgi

=head1 DESCRIPTION

Monoceros serves PSGI applications. Its workers are ordinary preforked Perl processes, each with
one request at a time; its connections belong to none of them, so idle keep-alive clients, slow
senders and slow readers cost no worker. The server itself is written in Rust and lives inside the
perl that loads this module.

=head1 OPTIONS

C<plackup> hands every option that is not its own to the server, as C<--name=value>,
C<--enable-name> or C<--disable-name>; dashes and underscores are alike. An option that Monoceros
does not know is an error, and the process ends with status 2. The ones used most:

=over 4

=item --max-workers=5

Processes that run the application.

=item --max-reqs-per-child=1000

Requests after which a worker is replaced; 0: never. With C<--min-reqs-per-child> each worker draws
a number between the two.

=item --keepalive-timeout=10, --disable-keepalive

Seconds that a connection may be silent between two requests. Idle connections cost no worker.

=item --timeout=300

Seconds that a streaming C<write> waits for a client that takes nothing.

=item --listen=ADDRESS

Repeatable: C<host:port>, C<:port>, C<[v6]:port>, C</path/to.sock>.

=back

L<Plack::Handler::Monoceros::Options> has them all, with units, ranges and defaults.

=head1 EXIT STATUS

0 stopped; 1 failed while running; 2 a mistake in the options; 3 the application did not load; 4 an
address could not be bound. Without C<-L Delayed> it is plackup that loads the application, and if
that fails the status is plackup's own.

=head1 SIGNALS

To plackup's process: TERM and QUIT stop gracefully, INT at once; HUP replaces the workers one by
one; TTIN and TTOU change their number; USR1 opens the file of C<--error-log> anew; WINCH writes into
it what everybody is doing. C<--access-log> is plackup's own, and is not opened anew.

=head1 LICENSE

MIT or Apache-2.0, as you like.

=cut
