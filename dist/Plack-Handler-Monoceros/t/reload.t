# plackup -r: the server runs in a child of plackup, and is begun again when a file changes. And a
# server inside the application is refused.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib do { require File::Basename; File::Basename::dirname(__FILE__) } . '/lib';
use Door;
use Wire;

my $folder = tempdir(CLEANUP => 1);
my %door   = Door->all;

sub says {
    my ($text) = @_;
    open my $file, '>', "$folder/app.psgi" or die $!;
    print {$file} "sub { [200, ['Content-Type' => 'text/plain'], ['$text']] }\n";
    close $file or die $!;
}

SKIP: {
    skip 'Filesys::Notify::Simple is not here', 3 unless eval { require Filesys::Notify::Simple; 1 };
    says('one');
    my $server = Door->start($door{plackup}, '-r', '--max-workers=1', "$folder/app.psgi");
    is(Wire->connect($server->{port})->ask('/')->{body}, 'one', 'plackup -r serves');
    says('another');
    my $said = '';
    for (1 .. 250) {
        $said = eval { Wire->connect($server->{port})->ask('/')->{body} } // '';
        last if $said eq 'another';
        select undef, undef, undef, 0.04;
    }
    is $said, 'another', 'and serves what the file says now';
    is $server->stop, 0, 'stopped';
}

my $server = Door->start($door{plackup}, '-E', 'production', '--max-workers=1', '-e',
    'sub { my $c = fork // die; if (!$c) { eval { Plack::Handler::Monoceros->new->run(sub { }); 1 } and exit 9; exit($@ =~ /runs in this process already/ ? 0 : 8) }'
        . ' waitpid $c, 0; [ 200, [], [ $? >> 8 ] ] }');
is(Wire->connect($server->{port})->ask('/')->{body}, '0', 'no server inside a server');
is $server->stop, 0, 'stopped';

done_testing;
