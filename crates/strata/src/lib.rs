//! Open any Strata engine at run time; copy between engines.
