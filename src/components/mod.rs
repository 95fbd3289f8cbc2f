//! Look and behaviour that know nothing of databases.
