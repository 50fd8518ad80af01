# A WebSocket conversation through psgix.io: Protocol::WebSocket in the application, Mojo::UserAgent as
# the client.
use strict;
use warnings;
use utf8;
use File::Basename qw(dirname);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Door;
use Wire;

my $application = dirname(__FILE__) . '/../../../examples/websocket.psgi';
plan skip_all => "there is no $application" unless -e $application;
for my $module (qw(Protocol::WebSocket::Frame Mojo::UserAgent)) {
    plan skip_all => "there is no $module here" unless eval "require $module; 1";
}
require Mojo::IOLoop;
require Mojo::WebSocket;

my ($continued, $binary, $close, $ping, $pong) = map { Mojo::WebSocket->can("WS_$_")->() } qw(CONTINUATION BINARY CLOSE PING PONG);

# Message number n, as the frames that the client sends and the text or bytes that are to come back.
sub message {
    my $n = shift;
    my $size = $n % 100 == 0 ? 65_536 + $n : $n % 10 == 0 ? 126 + $n : $n % 97;
    my $words = "$n: " . 'wörds, ☃ and all; ' x ($size / 20);
    my $bytes = join '', "$n: ", map { chr } map { ($_ * $n) % 256 } 1 .. $size;
    my $kind = $n % 3;
    return $words, $words if $kind == 0;
    return { binary => $bytes }, $bytes if $kind == 1;

    # In three frames, with a ping between them.
    my $half = int(length($bytes) / 2);
    return [ 0, 0, 0, 0, $binary, substr $bytes, 0, $half ], [ 1, 0, 0, 0, $ping, "ping $n" ],
        [ 0, 0, 0, 0, $continued, substr $bytes, $half ], [ 1, 0, 0, 0, $continued, '' ], $bytes;
}

# Says messages 1 to $count, so many at a time; gives what came back.
sub converse {
    my ($url, $count, $ahead) = @_;
    my $agent = Mojo::UserAgent->new(inactivity_timeout => 60, max_redirects => 0);
    my %got = (messages => [], pongs => 0, wrong => []);
    my %wanted;
    $agent->websocket($url => sub {
        my ($agent, $tx) = @_;
        if (!$tx->is_websocket) {
            $got{refused} = $tx->res->code;
            return Mojo::IOLoop->stop;
        }
        $tx->max_websocket_size(1 << 24);
        my $said = 0;
        my $say  = sub {
            return if $said == $count;
            my @frames = message(++$said);
            $wanted{$said} = pop @frames;
            $tx->send($_) for @frames;
        };
        $tx->on(frame => sub { $got{pongs}++ if $_[1][4] == $pong && $_[1][5] =~ /\Aping \d+\z/ });
        $tx->on(message => sub {
            my $n = $got{count}++ + 1;
            push @{ $got{wrong} }, $n if $_[1] ne delete $wanted{$n};
            # By hand: its own finish() would not wait for the answer.
            $n == $count ? $tx->send([ 1, 0, 0, 0, $close, pack('n', 1000) . 'enough' ]) : $say->();
        });
        $tx->on(finish => sub { $got{finish} = "$_[1] " . ($_[2] // ''); Mojo::IOLoop->stop });
        $say->() for 1 .. $ahead;
    });
    Mojo::IOLoop->singleton->reactor->on(error => sub { $got{finish} = $_[1]; Mojo::IOLoop->stop });
    my $late = Mojo::IOLoop->timer(60 => sub { $got{finish} = 'late'; Mojo::IOLoop->stop });
    Mojo::IOLoop->start;
    Mojo::IOLoop->remove($late);
    return \%got;
}

my %door = Door->all;
for my $door (sort keys %door) {
    subtest $door => sub {
        my $server = Door->start($door{$door}, '-E', 'production', '--max-workers=1', '-a', $application);
        (my $url = $server->url('/')) =~ s/^http/ws/;
        for ([ 1_000, 1 ], [ 1_000, 100 ]) {
            my ($count, $ahead) = @$_;
            my $got = converse($url, $count, $ahead);
            is $got->{count}, $count, "$count messages came back, $ahead at a time";
            is_deeply $got->{wrong}, [], 'as they were said';
            is $got->{pongs}, scalar(grep { $_ % 3 == 2 } 1 .. $count), 'each ping has its pong';
            is $got->{finish}, '1000 enough', 'the close was answered';
        }

        # The only worker has let go.
        my $answer = Wire->connect($server->{port})->ask('/');
        is $answer->{status}, 426, 'then it answers HTTP again';
        like $answer->{head}, qr/^Upgrade: websocket\r$/m, 'and says what it is for';
        is $server->stop, 0, 'stopped';
    };
}

done_testing;
