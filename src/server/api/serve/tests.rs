//! The options that connections inherit of their listener.
#![cfg(any(target_os = "linux", target_os = "android"))]

use super::*;

#[tokio::test]
async fn connections_inherit_what_was_set_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    prepare(&listener);
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    assert!(stream.nodelay().unwrap());
    assert_eq!(socket2::SockRef::from(&stream).tcp_notsent_lowat().unwrap(), UNSENT);
}
