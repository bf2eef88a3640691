//! Pages, metas, free extents, growth: the physical layer of a bolt file.
