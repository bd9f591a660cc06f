# Written by tools/exports.
from .examples import InputExample as InputExample
from .examples import InputFeatures as InputFeatures
from .features import glue_convert_examples_to_features as glue_convert_examples_to_features
from .features import padding_options as padding_options
from .glue import glue_main_metrics as glue_main_metrics
from .glue import glue_measured_tasks as glue_measured_tasks
from .glue import glue_output_modes as glue_output_modes
from .glue import glue_processors as glue_processors
from .glue import glue_tasks_num_labels as glue_tasks_num_labels
from .language_modeling import file_blocks as file_blocks
from .language_modeling import mask_tokens as mask_tokens
from .language_modeling import text_blocks as text_blocks
from .lm_corpus import LM1BCorpus as LM1BCorpus
from .lm_corpus import LMMultiFileIterator as LMMultiFileIterator
from .lm_corpus import LMShuffledIterator as LMShuffledIterator
from .lm_corpus import get_lm_corpus as get_lm_corpus
from .lm_corpus import variable_length_batches as variable_length_batches
from .metrics import acc_and_f1 as acc_and_f1
from .metrics import accuracy_scores as accuracy_scores
from .metrics import glue_compute_metrics as glue_compute_metrics
from .metrics import glue_scores as glue_scores
from .metrics import is_sklearn_available as is_sklearn_available
from .metrics import pearson_and_spearman as pearson_and_spearman
from .metrics import simple_accuracy as simple_accuracy
from .multiple_choice import MultipleChoiceExample as MultipleChoiceExample
from .multiple_choice import MultipleChoiceFeatures as MultipleChoiceFeatures
from .multiple_choice import (
    multiple_choice_convert_examples_to_features as multiple_choice_convert_examples_to_features,
)
from .multiple_choice import multiple_choice_processors as multiple_choice_processors
from .ner import TokenExample as TokenExample
from .ner import ner_processors as ner_processors
from .ner import ner_read_labels as ner_read_labels
from .ner_features import TokenFeatures as TokenFeatures
from .ner_features import ner_convert_examples_to_features as ner_convert_examples_to_features
from .ner_features import ner_labels_of_words as ner_labels_of_words
from .ner_metrics import ner_compute_metrics as ner_compute_metrics
from .ner_sentences import TokenSentences as TokenSentences
from .processors import DataProcessor as DataProcessor
from .squad import SquadExample as SquadExample
from .squad import SquadV1Processor as SquadV1Processor
from .squad import SquadV2Processor as SquadV2Processor
from .squad_features import SquadFeatures as SquadFeatures
from .squad_features import squad_convert_examples_to_features as squad_convert_examples_to_features
from .squad_files import squad_scores as squad_scores
from .squad_metrics import squad_evaluate as squad_evaluate
from .squad_metrics import squad_v1_evaluate as squad_v1_evaluate
from .squad_predictions import SquadResult as SquadResult
from .squad_predictions import compute_predictions_log_probs as compute_predictions_log_probs
from .squad_predictions import compute_predictions_logits as compute_predictions_logits
from .xnli import xnli_compute_metrics as xnli_compute_metrics
from .xnli import xnli_output_modes as xnli_output_modes
from .xnli import xnli_processors as xnli_processors
from .xnli import xnli_tasks_num_labels as xnli_tasks_num_labels

__version__: str
