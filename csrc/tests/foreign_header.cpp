// Built for each layer with a header of another one, which it must not find.
#include FOREIGN_HEADER
