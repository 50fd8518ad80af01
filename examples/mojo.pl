# A Mojolicious::Lite application with a form, an upload and a streamed page.
# monoceros examples/mojo.pl, then http://127.0.0.1:5000/
use Mojolicious::Lite -signatures;

# Mojolicious stops at 16 MiB on its own account; the server's limit is max-body-size.
app->max_request_size(64 * 1024 * 1024);
app->log->level('warn');
app->secrets(['an example needs no secret']);

get '/' => 'index';

post '/form' => sub ($c) {
    $c->render(text => 'Hello, ' . ($c->param('name') // 'nobody') . "\n");
};

post '/upload' => sub ($c) {
    my $file = $c->req->upload('file') or return $c->render(text => "no file\n", status => 400);
    $c->render(text => $file->filename . ': ' . $file->size . " bytes\n");
};

get '/stream' => sub ($c) {
    my $left = 5;
    my $line;
    $line = sub ($c, @) {
        return $c->write_chunk("line $left\n", $line) if $left-- > 0;
        undef $line;    # it refers to itself
        $c->finish;
    };
    $c->write_chunk("five lines\n", $line);
};

app->start;

__DATA__
@@ index.html.ep
<!doctype html>
<title>Monoceros</title>
<h1>Mojolicious::Lite under Monoceros</h1>
<form action="/form" method="post"><input name="name"><button>Greet me</button></form>
<form action="/upload" method="post" enctype="multipart/form-data"><input type="file" name="file"><button>Send</button></form>
