//! Every page run below a root, in key order, with the bounds its keys must keep.

use pager::{PageId, PageSource};

use crate::depth::{DEPTH_MAX, too_deep};
use crate::layout::Elements;

/// One page run of a walk.
#[derive(Clone, Copy, Debug)]
pub struct WalkStep<'a> {
    /// The first page.
    pub id: PageId,
    /// Pages of the run.
    pub pages: u64,
    /// Pages above it.
    pub depth: usize,
    /// What stands on it.
    pub elements: Elements<'a>,
    /// No key may be below this.
    pub lower: Option<&'a [u8]>,
    /// Every key must be below this.
    pub upper: Option<&'a [u8]>,
}

struct Open<'a> {
    id: PageId,
    depth: usize,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
}

/// Every page run below a root, parents before children, in key order.
///
/// A page that cannot be read is an error, and the walk goes on beside it. A walk that meets more
/// pages than the file has ends with an error, so cycles end.
pub struct Walk<'a, S> {
    source: &'a S,
    open: Vec<Open<'a>>,
    /// Entries of `open` that do not lie below the step given last.
    open_beside: usize,
    pages_left: u64,
}

impl<'a, S: PageSource> Walk<'a, S> {
    /// The pages below and with `root`.
    pub fn new(source: &'a S, root: PageId) -> Walk<'a, S> {
        let open = vec![Open {
            id: root,
            depth: 0,
            lower: None,
            upper: None,
        }];
        Walk {
            source,
            open,
            open_beside: 0,
            pages_left: source.high_water().0,
        }
    }

    /// Leaves out everything below the step given last.
    pub fn skip_children(&mut self) {
        self.open.truncate(self.open_beside);
    }

    fn visit(&mut self, open: &Open<'a>) -> pager::Result<WalkStep<'a>> {
        if open.depth >= DEPTH_MAX {
            return Err(too_deep());
        }
        let page = self.source.page(open.id)?;
        let pages = page.run_pages();
        let Some(left) = self.pages_left.checked_sub(pages) else {
            self.open.clear();
            return Err(pager::Error::page(
                open.id,
                "more pages below one root than the file has: pages are shared or form a cycle",
            ));
        };
        self.pages_left = left;
        let elements = Elements::of(page)?;
        elements.check_packed()?;
        let (lower, upper) = (open.lower, open.upper);
        Ok(WalkStep {
            id: open.id,
            pages,
            depth: open.depth,
            elements,
            lower,
            upper,
        })
    }

    fn open_children(&mut self, step: &WalkStep<'a>) -> pager::Result<()> {
        let elements = step.elements;
        // Last first, because the stack gives the last one back first.
        let mut upper = step.upper;
        for index in (0..elements.count()).rev() {
            let lower = Some(elements.key(index)?);
            self.open.push(Open {
                id: elements.child(index)?,
                depth: step.depth + 1,
                lower,
                upper,
            });
            upper = lower;
        }
        Ok(())
    }
}

impl<'a, S: PageSource> Iterator for Walk<'a, S> {
    type Item = pager::Result<WalkStep<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let open = self.open.pop()?;
        self.open_beside = self.open.len();
        let step = match self.visit(&open) {
            Ok(step) => step,
            Err(error) => return Some(Err(error)),
        };
        if !step.elements.is_leaf()
            && let Err(error) = self.open_children(&step)
        {
            return Some(Err(error));
        }
        Some(Ok(step))
    }
}
