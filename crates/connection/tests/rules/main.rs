//! The rules of one connection, each as a small scene between a client's bytes and a core played by hand.
//!
//! Every scene names the statement it holds the connection to. Time moves only when the scene says so.

mod bytes_in;
mod connect;
mod endings;
mod hostile;
mod keep_alive;
mod pair;
mod publish_in;
mod publish_out;
mod subscribe;
