# The frameworks story, as a Dancer2 application.
package DanceStory;
use Dancer2;

set logger       => 'null';
set content_type => 'text/plain';

get '/'      => sub { 'hello ' . query_parameters->get('name') };
post '/form' => sub { 'colour is ' . body_parameters->get('colour') };
post '/upload' => sub {
    my $file = upload('file');
    return $file->filename . ' has ' . $file->size . ' bytes';
};
get '/stream' => sub {
    delayed { flush; content $_ for 'one ', 'two ', 'three'; done };
};

DanceStory->to_app;
