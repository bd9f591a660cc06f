# ruff: noqa
import torch
from tx_all import *

MODELS = [
    (BertModel, BertTokenizer, "bert-base-uncased"),
    (OpenAIGPTModel, OpenAIGPTTokenizer, "openai-gpt"),
    (GPT2Model, GPT2Tokenizer, "gpt2"),
    (CTRLModel, CTRLTokenizer, "ctrl"),
    (TransfoXLModel, TransfoXLTokenizer, "transfo-xl-wt103"),
    (XLNetModel, XLNetTokenizer, "xlnet-base-cased"),
    (XLMModel, XLMTokenizer, "xlm-mlm-enfr-1024"),
    (DistilBertModel, DistilBertTokenizer, "distilbert-base-uncased"),
    (RobertaModel, RobertaTokenizer, "roberta-base"),
]

for model_class, tokenizer_class, pretrained_weights in MODELS:
    tokenizer = tokenizer_class.from_pretrained(pretrained_weights)
    model = model_class.from_pretrained(pretrained_weights)

    input_ids = torch.tensor([tokenizer.encode("Here is some text to encode", add_special_tokens=True)])
    with torch.no_grad():
        last_hidden_states = model(input_ids)[0]
    print(model_class.__name__, list(last_hidden_states.shape[:2]) == list(input_ids.shape))

BERT_MODEL_CLASSES = [
    BertModel,
    BertForPreTraining,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    BertForMultipleChoice,
    BertForTokenClassification,
    BertForQuestionAnswering,
]

pretrained_weights = "bert-base-uncased"
tokenizer = BertTokenizer.from_pretrained(pretrained_weights)
for model_class in BERT_MODEL_CLASSES:
    model = model_class.from_pretrained(pretrained_weights)

    model = model_class.from_pretrained(pretrained_weights, output_hidden_states=True, output_attentions=True)
    input_ids = torch.tensor([tokenizer.encode("Let's see all hidden-states and attentions on this text")])
    if model_class is BertForMultipleChoice:
        input_ids = input_ids[None]  # the README's own line fails for it: choices are an axis
    all_hidden_states, all_attentions = model(input_ids)[-2:]
    print(model_class.__name__, len(all_hidden_states), len(all_attentions), list(all_attentions[0].shape[1:]))

    model = model_class.from_pretrained(pretrained_weights, torchscript=True)
    traced_model = torch.jit.trace(model, (input_ids,))
    print(all(torch.equal(a, b) for a, b in zip(traced_model(input_ids), model(input_ids))))

    model.save_pretrained("./directory/to/save/")
    before = model(input_ids)
    model = model_class.from_pretrained("./directory/to/save/")
    tokenizer.save_pretrained("./directory/to/save/")
    tokenizer = BertTokenizer.from_pretrained("./directory/to/save/")
    print(all(torch.equal(a, b) for a, b in zip(model(input_ids), before)))
