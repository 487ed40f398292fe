// An image on its way through the pipeline.

import Basics
import Imaging
import Store

/// An image that is known to the catalog and lacks a snapshot in some views.
struct WorkItem: Sendable {
    let image: ImageRecord
    /// Views to make; all of one item are made together, so that decoding and towers are shared.
    let plans: [ViewPlan]
    let lane: Lane
}

/// A decoded and cropped image, ready for the towers.
struct Prepared: Sendable {
    let item: WorkItem
    /// One crop for each preprocessing that the item's models ask for: 8-bit, 150 kB at 224 px.
    let crops: [PreprocessConfig: RGBImage]
}
