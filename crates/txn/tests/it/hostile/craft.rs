//! Files built page by page, for damage that a writer would never leave by chance.

use pager::{FreelistImage, Meta, PageId, PageKind, TxId, write_header};

/// Bytes of a page in every file made here.
pub const PAGE: usize = 1024;
/// The page that the top bucket's tree begins at.
pub const ROOT: u64 = 3;

/// Flags of an element that names a bucket.
pub const BUCKET: u32 = 1;
/// Flags of a pair.
pub const PAIR: u32 = 0;

/// A leaf of as many pages as it needs, elements packed in the order given.
pub fn leaf(id: u64, elements: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let used = leaf_bytes(id, elements);
    let pages = used.len().div_ceil(PAGE);
    let mut image = used;
    image.resize(pages * PAGE, 0);
    set_overflow(&mut image, pages as u32 - 1);
    image
}

fn leaf_bytes(id: u64, elements: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for (index, (flags, key, value)) in elements.iter().enumerate() {
        let position = (elements.len() - index) * 16 + data.len();
        for word in [
            *flags,
            position as u32,
            key.len() as u32,
            value.len() as u32,
        ] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        data.extend_from_slice(key);
        data.extend_from_slice(value);
    }
    let mut image = vec![0; 16];
    write_header(
        &mut image,
        PageId(id),
        PageKind::Leaf,
        elements.len() as u16,
        0,
    );
    [image, table, data].concat()
}

/// A branch, elements packed in the order given.
pub fn branch(id: u64, children: &[(&[u8], u64)]) -> Vec<u8> {
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for (index, (key, child)) in children.iter().enumerate() {
        let position = (children.len() - index) * 16 + data.len();
        table.extend_from_slice(&(position as u32).to_le_bytes());
        table.extend_from_slice(&(key.len() as u32).to_le_bytes());
        table.extend_from_slice(&child.to_le_bytes());
        data.extend_from_slice(key);
    }
    let mut image = vec![0; 16];
    write_header(
        &mut image,
        PageId(id),
        PageKind::Branch,
        children.len() as u16,
        0,
    );
    let mut image = [image, table, data].concat();
    image.resize(PAGE, 0);
    image
}

/// Lets a page claim that so many pages behind it belong to it.
pub fn set_overflow(image: &mut [u8], overflow: u32) {
    image[12..16].copy_from_slice(&overflow.to_le_bytes());
}

/// The value of an entry for a bucket at page `root`.
pub fn bucket_at(root: u64) -> Vec<u8> {
    [root.to_le_bytes(), [0; 8]].concat()
}

/// The value of an entry for a bucket that lives in it.
pub fn inline_bucket(elements: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    [bucket_at(0), leaf_bytes(0, elements)].concat()
}

/// A file of these page runs, the first of which is the root at page 3.
pub fn file(runs: &[Vec<u8>]) -> Vec<u8> {
    file_at(runs, 1)
}

/// A file as [`file`] makes it, written by transaction `txid`.
pub fn file_at(runs: &[Vec<u8>], txid: u64) -> Vec<u8> {
    let mut body = vec![0; PAGE];
    FreelistImage::write(&mut body, PageId(2), 0, 0, std::iter::empty());
    body.extend(runs.iter().flatten());
    let meta = |txid| Meta {
        page_bytes: PAGE as u32,
        flags: 0,
        root: PageId(ROOT),
        root_sequence: 0,
        freelist: PageId(2),
        high_water: PageId(2 + (body.len() / PAGE) as u64),
        txid: TxId(txid),
    };
    let mut file = meta(txid - 1).page_image(PageId(0));
    file.extend(meta(txid).page_image(PageId(1)));
    file.extend(body);
    file
}
