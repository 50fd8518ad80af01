# A Catalyst application in one file, with a form, an upload and a streamed page.
# monoceros examples/catalyst.psgi, then http://127.0.0.1:5000/
use strict;
use warnings;

package Example::Catalyst::Controller::Root;
use Moose;
BEGIN { extends 'Catalyst::Controller' }
__PACKAGE__->config(namespace => '');

sub index : Path Args(0) {
    my ($self, $c) = @_;
    $c->res->content_type('text/html; charset=utf-8');
    $c->res->body(<<'HTML');
<!doctype html>
<title>Monoceros</title>
<h1>Catalyst under Monoceros</h1>
<form action="/form" method="post"><input name="name"><button>Greet me</button></form>
<form action="/upload" method="post" enctype="multipart/form-data"><input type="file" name="file"><button>Send</button></form>
HTML
}

sub form : Path('form') Args(0) {
    my ($self, $c) = @_;
    $c->res->content_type('text/plain');
    $c->res->body('Hello, ' . ($c->req->body_params->{name} // 'nobody') . "\n");
}

sub upload : Path('upload') Args(0) {
    my ($self, $c) = @_;
    $c->res->content_type('text/plain');
    my $file = $c->req->upload('file');
    $c->res->status(400) unless $file;
    $c->res->body($file ? $file->filename . ': ' . $file->size . " bytes\n" : "no file\n");
}

sub stream : Path('stream') Args(0) {
    my ($self, $c) = @_;
    $c->res->content_type('text/plain');
    my $writer = $c->res->write_fh;
    $writer->write("line $_\n") for 1 .. 5;
    $writer->close;
}

package Example::Catalyst;
use Moose;
extends 'Catalyst';
# The controller stands above: there are no files to look for.
sub locate_components { return 'Example::Catalyst::Controller::Root' }
$INC{'Example/Catalyst/Controller/Root.pm'} = __FILE__;
__PACKAGE__->config(name => 'Example::Catalyst');
__PACKAGE__->setup;

__PACKAGE__->psgi_app;
