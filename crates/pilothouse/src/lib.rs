//! A lifecycle around every Helm release: the library.
