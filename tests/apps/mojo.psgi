# The frameworks story, as a Mojolicious::Lite application.
use Mojolicious::Lite -signatures;

app->log->level('fatal');
get '/' => sub ($c) { $c->render(text => 'hello ' . $c->param('name')) };
post '/form' => sub ($c) { $c->render(text => 'colour is ' . $c->param('colour')) };
post '/upload' => sub ($c) {
    my $file = $c->param('file');
    $c->render(text => $file->filename . ' has ' . $file->size . ' bytes');
};
get '/stream' => sub ($c) {
    my @parts = ('one ', 'two ', 'three');
    $c->res->headers->content_type('text/plain');
    _more($c, \@parts);
};

sub _more ($c, $parts) {
    return $c->write_chunk('') unless @$parts;
    $c->write_chunk(shift @$parts => sub ($c, @) { _more($c, $parts) });
}
app->start;
