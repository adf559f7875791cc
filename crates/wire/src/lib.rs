//! Every public message and its JSON form
