"""Facts about MedMNIST's flat data sets with one label an image, as version 3 states them.

They are kept here because importing medmnist takes torch and seconds; a test compares them.
"""

_ORGANS = (
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
)

# flag: title, license, images for training, validation and test, class names
MEDMNIST: dict[str, tuple[str, str, tuple[int, int, int], tuple[str, ...]]] = {
    "pathmnist": (
        "PathMNIST",
        "CC BY 4.0",
        (89996, 10004, 7180),
        (
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ),
    ),
    "dermamnist": (
        "DermaMNIST",
        "CC BY-NC 4.0",
        (7007, 1003, 2005),
        (
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ),
    ),
    "octmnist": (
        "OCTMNIST",
        "CC BY 4.0",
        (97477, 10832, 1000),
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    "pneumoniamnist": ("PneumoniaMNIST", "CC BY 4.0", (4708, 524, 624), ("normal", "pneumonia")),
    "retinamnist": ("RetinaMNIST", "CC BY 4.0", (1080, 120, 400), ("0", "1", "2", "3", "4")),
    "breastmnist": ("BreastMNIST", "CC BY 4.0", (546, 78, 156), ("malignant", "normal, benign")),
    "bloodmnist": (
        "BloodMNIST",
        "CC BY 4.0",
        (11959, 1712, 3421),
        (
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
    ),
    "tissuemnist": (
        "TissueMNIST",
        "CC BY 4.0",
        (165466, 23640, 47280),
        (
            "Collecting Duct, Connecting Tubule",
            "Distal Convoluted Tubule",
            "Glomerular endothelial cells",
            "Interstitial endothelial cells",
            "Leukocytes",
            "Podocytes",
            "Proximal Tubule Segments",
            "Thick Ascending Limb",
        ),
    ),
    "organamnist": (
        "OrganAMNIST",
        "CC BY 4.0",
        (34561, 6491, 17778),
        _ORGANS,
    ),
    "organcmnist": (
        "OrganCMNIST",
        "CC BY 4.0",
        (12975, 2392, 8216),
        _ORGANS,
    ),
    "organsmnist": (
        "OrganSMNIST",
        "CC BY 4.0",
        (13932, 2452, 8827),
        _ORGANS,
    ),
}
