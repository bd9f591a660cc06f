# ruff: noqa
import torch
from tx_all import *

tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
input_ids = tokenizer.encode("Here is some text to encode", return_tensors="pt")
labels = torch.tensor([1])


def train(model):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model(input_ids, labels=labels)[0].backward()
    optimizer.step()


# Models always output tuples.
model = BertForSequenceClassification.from_pretrained("bert-base-uncased")
outputs = model(input_ids, labels=labels)
loss = outputs[0]
loss, logits = outputs[:2]
model = BertForSequenceClassification.from_pretrained("bert-base-uncased", output_attentions=True)
outputs = model(input_ids, labels=labels)
loss, logits, attentions = outputs
print(loss.dim(), list(logits.shape), len(attentions))

# Serialization.
model = BertForSequenceClassification.from_pretrained("bert-base-uncased")
tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
print(model.training)
tokenizer.add_tokens(["[SPECIAL_TOKEN_1]", "[SPECIAL_TOKEN_2]"])
model.resize_token_embeddings(len(tokenizer))
train(model)
model.save_pretrained("./my_saved_model_directory/")
tokenizer.save_pretrained("./my_saved_model_directory/")
trained = model
model = BertForSequenceClassification.from_pretrained("./my_saved_model_directory/")
tokenizer = BertTokenizer.from_pretrained("./my_saved_model_directory/")
print(model.training, len(tokenizer) == model.config.vocab_size == trained.config.vocab_size)
print(tokenizer.tokenize("a [SPECIAL_TOKEN_2]"), torch.equal(model(input_ids)[0], trained.eval()(input_ids)[0]))

# Optimizers: those of 2.2, and of 2.1.
lr = 1e-3
max_grad_norm = 1.0
num_training_steps = 1000
num_warmup_steps = 100
train_data = 3 * [input_ids]
optimizer = AdamW(model.parameters(), lr=lr, correct_bias=False)
for scheduler in (
    get_linear_schedule_with_warmup(
        optimizer, num_warmup_steps=num_warmup_steps, num_training_steps=num_training_steps
    ),
    WarmupLinearSchedule(optimizer, warmup_steps=num_warmup_steps, t_total=num_training_steps),
):
    for batch in train_data:
        model.train()
        loss = model(batch, labels=labels)[0]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    print([round(rate, 9) for rate in scheduler.get_lr()])
