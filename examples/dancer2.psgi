# A Dancer2 application with a form, an upload and a streamed page.
# monoceros examples/dancer2.psgi, then http://127.0.0.1:5000/
use strict;
use warnings;

package Example::Dancer2;
use Dancer2;

set charset => 'UTF-8';
set logger  => 'console';
set log     => 'warning';

get '/' => sub {
    return <<'HTML';
<!doctype html>
<title>Monoceros</title>
<h1>Dancer2 under Monoceros</h1>
<form action="/form" method="post"><input name="name"><button>Greet me</button></form>
<form action="/upload" method="post" enctype="multipart/form-data"><input type="file" name="file"><button>Send</button></form>
HTML
};

post '/form' => sub { return 'Hello, ' . (body_parameters->get('name') // 'nobody') . "\n" };

post '/upload' => sub {
    my $file = upload('file') or send_error('no file', 400);
    return $file->filename . ': ' . $file->size . " bytes\n";
};

get '/stream' => sub {
    content_type 'text/plain';
    delayed {
        flush;
        content "line $_\n" for 1 .. 5;
        done;
    };
};

__PACKAGE__->to_app;
