# The frameworks that people use: a page, a form, an upload of 5 MB and a streamed answer each.
use strict;
use warnings;
use File::Basename qw(dirname);
use HTTP::Tiny;
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Door;

my $examples = dirname(__FILE__) . '/../../../examples';
my %framework = (Mojolicious => 'mojo.pl', Dancer2 => 'dancer2.psgi', Catalyst => 'catalyst.psgi');

my %door = Door->all;
my $http = HTTP::Tiny->new(timeout => 20);

# Not a multiple of anything, and different everywhere.
my $content = join '', map { pack 'N', $_ * 2_654_435_761 % 2**32 } 1 .. 1_250_001;

for my $name (sort keys %framework) {
    for my $door (sort keys %door) {
        subtest "$name, $door" => sub {
            my $file = "$examples/$framework{$name}";
            plan skip_all => "there is no $file" unless -e $file;
            plan skip_all => "there is no $name here" unless eval "require $name; 1";
            my $server = Door->start($door{$door}, '-E', 'production', '--max-workers=2', '-a', $file);

            my $page = $http->get($server->url('/'));
            is $page->{status}, 200, 'a page';
            like $page->{content}, qr{<form action="/form"}, 'whole';

            my $form = $http->post_form($server->url('/form'), { name => 'Ada' });
            is $form->{content}, "Hello, Ada\n", 'a form';

            my $body = join "\r\n", '--limit', 'Content-Disposition: form-data; name="file"; filename="a.bin"',
                'Content-Type: application/octet-stream', '', $content, '--limit--', '';
            my $upload = $http->post($server->url('/upload'),
                { content => $body, headers => { 'Content-Type' => 'multipart/form-data; boundary=limit' } });
            is $upload->{content}, "a.bin: 5000004 bytes\n", 'an upload';

            my $stream = $http->get($server->url('/stream'));
            is scalar(() = $stream->{content} =~ /^line [0-9]$/mg), 5, 'a stream';

            is $server->stop, 0, 'stopped';
        };
    }
}

done_testing;
