// Requests by name and in brief, for logs and messages.

extension Saed_Request {
    /// The request's name as `saectl` and the log write it; "unknown" for one of a newer client.
    public var title: String {
        switch body {
        case .status: "status"
        case .wait: "wait"
        case .follow: "follow"
        case .images: "images"
        case .show: "show"
        case .latents: "latents"
        case .latent: "latent"
        case .heatmap: "heatmap"
        case .sheet: "sheet"
        case .models: "models"
        case .modelAdd: "model add"
        case .saes: "saes"
        case .saeAdd: "sae add"
        case .classes: "classes"
        case .classesSet: "classes set"
        case .views: "views"
        case .watch: "watch"
        case .failures: "failures"
        case .version: "version"
        case .export: "export"
        case .adapters: "adapters"
        case .adapterAdd: "adapter add"
        case .adapterChange: "adapter change"
        case .adapterExport: "adapter export"
        case .compare: "compare"
        case .remap: "remap"
        case .ablate: "ablate"
        case .classify: "classify"
        case .saeRandom: "sae random"
        case .disagree: "images disagree"
        case .explain: "explain"
        case .steer: "steer"
        case .find: "find"
        case .name: "name"
        case .similar: "similar"
        case .report: "report"
        case .atlas: "atlas"
        case nil: "unknown"
        }
    }
}
