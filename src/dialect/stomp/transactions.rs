//! [`Transactions`] that a client has begun.

use bytestring::ByteString;

use super::{Reference, Refusal, Send, Settle};

/// The bytes that each request counts besides its texts.
const EACH: usize = 128;

/// A request that waits for the COMMIT of its transaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deferred {
    /// A message, and the receipt that is wanted for it.
    Send(Send, Option<ByteString>),
    Settle(Settle),
}

/// The transactions that a client has begun and not ended, and all that waits in them.
#[derive(Debug)]
pub(crate) struct Transactions {
    all: Vec<Transaction>,
    max: usize,
    max_bytes: usize,
    held: usize,
}

#[derive(Debug)]
struct Transaction {
    name: ByteString,
    requests: Vec<Deferred>,
    bytes: usize,
}

impl Transactions {
    /// At most `max` transactions at a time, which together hold at most `max_bytes`.
    pub(crate) fn new(max: usize, max_bytes: usize) -> Self {
        Transactions { all: Vec::new(), max, max_bytes, held: 0 }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// Fails if one of this name has not ended, or there are too many.
    pub(crate) fn begin(&mut self, name: &str) -> Result<(), Refusal> {
        if self.place(name).is_ok() {
            return Err(Refusal::new("transaction exists", "a transaction of this name has not ended"));
        }
        if self.all.len() >= self.max {
            let detail = format!("a session has at most {} transactions at a time (Stomp::transactions)", self.max);
            return Err(Refusal::new("too many transactions", detail));
        }
        self.all.push(Transaction { name: name.into(), requests: Vec::new(), bytes: 0 });
        Ok(())
    }

    /// Adds a request to a transaction.
    ///
    /// # Errors
    /// Fails if there is no such transaction, or all hold too much.
    pub(crate) fn add(&mut self, name: &str, request: Deferred) -> Result<(), Refusal> {
        let at = self.place(name)?;
        let bytes = size(&request);
        if self.held + bytes > self.max_bytes {
            let detail =
                format!("all transactions of a session hold at most {} bytes (Builder::message_limit)", self.max_bytes);
            return Err(Refusal::new("transaction too large", detail));
        }
        self.held += bytes;
        self.all[at].bytes += bytes;
        self.all[at].requests.push(request);
        Ok(())
    }

    /// Ends a transaction. Returns its requests in their order, which are obeyed now.
    ///
    /// # Errors
    /// Fails if there is no such transaction.
    pub(crate) fn commit(&mut self, name: &str) -> Result<Vec<Deferred>, Refusal> {
        let transaction = self.all.remove(self.place(name)?);
        self.held -= transaction.bytes;
        Ok(transaction.requests)
    }

    /// Ends a transaction, and forgets its requests.
    ///
    /// # Errors
    /// Fails if there is no such transaction.
    pub(crate) fn abort(&mut self, name: &str) -> Result<(), Refusal> {
        self.commit(name).map(drop)
    }

    /// The bytes that wait in all transactions.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    fn place(&self, name: &str) -> Result<usize, Refusal> {
        let place = self.all.iter().position(|transaction| transaction.name == name);
        place.ok_or_else(|| Refusal::new("unknown transaction", "there is no transaction of this name"))
    }
}

/// The bytes that a request counts.
fn size(request: &Deferred) -> usize {
    let text = |text: &Option<ByteString>| text.as_ref().map_or(0, |text| text.len());
    EACH + match request {
        Deferred::Send(send, receipt) => {
            let Send { destination, transaction, content } = send;
            destination.len() + text(transaction) + text(receipt) + content.headers.held() + content.body.len()
        }
        Deferred::Settle(Settle { transaction, reference, .. }) => {
            text(transaction)
                + match reference {
                    Reference::Ack(id) => id.len(),
                    Reference::Message { id, subscription } => id.len() + text(subscription),
                }
        }
    }
}
