# What loading leaves for workers to share: drawn numbers, and a print without its newline.
use strict;
use warnings;

my $drawn = rand;
print 'printed once';

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

sub { my $rand = rand; print STDERR "holding\n"; gate(); [ 200, [ 'Content-Type' => 'text/plain' ], ["$$ $rand $drawn"] ] };
