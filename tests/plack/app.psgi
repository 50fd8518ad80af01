# The application that a test file hands to Plack::Test at its call number PLACK_TEST_NUMBER. The file is run up to
# there, silently. See tests/plack/lib/Plack/Test/Door.pm.
package main;    # a file that is done begins in the package of who does it, and this one has none of its own
use strict;
use warnings;
use File::Temp;
use Test::More;

my $file = $ENV{PLACK_TEST_FILE};
{
    my $builder = Test::More->builder;
    $builder->no_ending(1);
    open my $nowhere, '>', '/dev/null' or die "/dev/null: $!";
    $builder->$_($nowhere) for qw(output failure_output todo_output);
    local $ENV{PLACK_TEST_IMPL} = 'Capture';
    require Plack::Test::Capture;
    require Plack::Test;
    $Plack::Test::Impl = 'Capture';
    $Plack::Test::Capture::wanted = $ENV{PLACK_TEST_NUMBER};
    $File::Temp::KEEP_ALL = 1;    # the application outlives the file's variables
    local $0 = $file;
    do(File::Spec->rel2abs($file));
}
$Plack::Test::Capture::app or die "$file does not come to call $ENV{PLACK_TEST_NUMBER}: $@";
