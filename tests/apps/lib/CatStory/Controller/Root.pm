package CatStory::Controller::Root;
# A page, a form, an upload and a stream.
use Moose;
BEGIN { extends 'Catalyst::Controller' }

__PACKAGE__->config(namespace => '');

sub index : Path Args(0) { $_[1]->res->body('hello ' . $_[1]->req->query_parameters->{name}) }
sub form : Local { $_[1]->res->body('colour is ' . $_[1]->req->body_parameters->{colour}) }

sub upload : Local {
    my ($self, $c) = @_;
    my $file = $c->req->upload('file');
    $c->res->body($file->filename . ' has ' . $file->size . ' bytes');
}

sub stream : Local {
    my ($self, $c) = @_;
    my $writer = $c->res->write_fh;
    $writer->write($_) for 'one ', 'two ', 'three';
    $writer->close;
}

1;
