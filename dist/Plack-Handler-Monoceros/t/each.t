# Preloading off: each worker loads the application at its birth, as a process that is whole already.
use strict;
use warnings;
use File::Basename qw(dirname);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Door;
use Wire;

my $file = dirname(__FILE__) . '/each.psgi';
my %door = Door->all;
my %off  = (plackup => [ '-L', 'Delayed' ], program => ['--disable-preload-app']);

for my $door (sort keys %door) {
    my $server = Door->start($door{$door}, '-E', 'production', @{ $off{$door} }, '--max-workers=1', $file);
    my $body   = Wire->connect($server->{port})->ask('/')->{body};
    like $body, qr/^mask=0+ /, "$door: a child started at load has no signal blocked";
    like $body, qr/ loaded=here /, "$door: loaded by the worker";
    like $body, qr/ title=monoceros: worker 0/, "$door: the worker keeps its name" if $door eq 'program';
    is $server->stop, 0, "$door: stopped";
    like $server->log, qr/^END of/m, "$door: END blocks run";
    unlike $server->log, qr/TERM belongs/, "$door: TERM is the worker's own";
}

done_testing;
