# The frameworks story, as a Catalyst application: it is in lib/CatStory.pm.
use File::Basename qw(dirname);
use Cwd qw(abs_path);
use lib abs_path(dirname(__FILE__)) . '/lib';
use CatStory;

CatStory->psgi_app;
