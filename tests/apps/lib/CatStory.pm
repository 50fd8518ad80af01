package CatStory;
# The frameworks story, as a Catalyst application: its actions are in the controller.
use Moose;
use Catalyst;
extends 'Catalyst';

__PACKAGE__->config(name => 'CatStory');
__PACKAGE__->log(Catalyst::Log->new('fatal'));
__PACKAGE__->setup;

1;
