# An application that each worker loads for itself, and what that does to the worker: what a child
# started at load inherits, signals that loading takes for itself, and a title.
use strict;
use warnings;

my ($mask) = qx(cat /proc/self/status) =~ /^SigBlk:\s*([0-9a-f]+)/m;
my $loader = $$;
$SIG{TERM} = sub { print STDERR "TERM belongs to the application\n" };
$0 = 'what the application calls itself';
END { print STDERR "END of $$\n" }

sub {
    my $env = shift;
    my $title = do { open my $file, '<', '/proc/self/cmdline' or die $!; local $/; <$file> };
    $title =~ tr/\0/ /;
    return [ 200, [], [ "mask=$mask loaded=", $loader == $$ ? 'here' : 'elsewhere', " title=$title" ] ];
};
