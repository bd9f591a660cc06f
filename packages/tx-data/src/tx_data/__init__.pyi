# Written by tools/exports.
from .examples import InputExample as InputExample
from .examples import InputFeatures as InputFeatures
from .features import glue_convert_examples_to_features as glue_convert_examples_to_features
from .glue import glue_output_modes as glue_output_modes
from .glue import glue_processors as glue_processors
from .glue import glue_tasks_num_labels as glue_tasks_num_labels
from .metrics import acc_and_f1 as acc_and_f1
from .metrics import glue_compute_metrics as glue_compute_metrics
from .metrics import is_sklearn_available as is_sklearn_available
from .metrics import pearson_and_spearman as pearson_and_spearman
from .metrics import simple_accuracy as simple_accuracy
from .processors import DataProcessor as DataProcessor

__version__: str
