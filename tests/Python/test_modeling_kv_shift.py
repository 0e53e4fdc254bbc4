"""The Python that lies in exported folders, against logits that the program has computed (tests/PythonModels); launch/test-python runs it.

The classes for transformers are loaded by transformers where it is installed, otherwise on a stand-in with as much of it as they use.
"""
import copy
import glob
import importlib.util
import json
import os
import sys
import types
import unittest

import torch
from torch import nn

FOLDERS = sorted(path for path in glob.glob(os.path.join(os.environ["KVSHIFT_PYTHON_MODELS"], "*")) if os.path.isdir(path))
HF_FOLDERS = [folder for folder in FOLDERS if os.path.basename(folder) != "llama"]

# Of logits near 1; larger ones are rounded more. float32 rounds by 1e-7 of a number in each of some fifty operations.
TOLERANCE = 1e-5


def load_file(name, path, **options):
    spec = importlib.util.spec_from_file_location(name, path, **options)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def json_of(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def expected(folder):
    stored = json_of(folder, "logits.json")
    return torch.tensor(stored["ids"]), torch.tensor(stored["logits"])


def difference(wanted, found):
    """The largest, of logits that are larger than 1 relative to their standard deviation."""
    return (wanted - found).abs().max().item() / max(1.0, wanted.std().item())


PLAIN = load_file("plain_kv_shift", os.path.join(HF_FOLDERS[0], "modeling_kv_shift.py"))


class PlainTests(unittest.TestCase):
    """The network with PyTorch alone."""

    def assert_close(self, wanted, found, what):
        self.assertEqual(wanted.shape, found.shape, what)
        # Logits that are all alike would hide a fault.
        self.assertGreater(wanted.std().item(), 0.1, what)
        self.assertLess(difference(wanted, found), TOLERANCE, what)

    def test_every_variant_and_shape_is_there(self):
        self.assertEqual([os.path.basename(folder) for folder in FOLDERS], sorted(
            ["kv", "k", "v", "none", "qkv", "gate", "clip", "window2", "window3", "window4", "tied", "sliding", "in-files", "llama"]))
        self.assertGreater(len(glob.glob(os.path.join(os.path.dirname(FOLDERS[0]), "in-files", "model-*.safetensors"))), 3)

    def test_logits_are_those_of_the_program(self):
        for folder in HF_FOLDERS:
            ids, logits = expected(folder)
            with torch.no_grad():
                self.assert_close(logits, PLAIN.load_folder(folder)(ids), folder)

    def test_a_llama_folder_is_this_network_without_a_shift(self):
        folder = next(folder for folder in FOLDERS if os.path.basename(folder) == "llama")
        ids, logits = expected(folder)
        model = PLAIN.KvShiftTransformer({**json_of(folder, "config.json"), "kv_shift": "none"})
        model.load_state_dict(PLAIN.load_safetensors(os.path.join(folder, "model.safetensors")))
        with torch.no_grad():
            self.assert_close(logits, model(ids), folder)

    def test_padding_on_either_side_changes_nothing(self):
        for folder in HF_FOLDERS:
            ids, logits = expected(folder)
            model = PLAIN.load_folder(folder)
            padding = torch.full((len(ids), 3), 7)
            for side, row, tokens in (("left", [padding, ids], slice(3, None)), ("right", [ids, padding], slice(None, -3))):
                mask = torch.cat([torch.zeros_like(part) if part is padding else torch.ones_like(part) for part in row], dim=1)
                with torch.no_grad():
                    found = model(torch.cat(row, dim=1), mask)
                self.assertTrue(torch.isfinite(found).all(), f"{folder} {side}")
                self.assert_close(logits, found[:, tokens], f"{folder} {side}")

    def test_every_parameter_has_a_gradient(self):
        for folder in HF_FOLDERS:
            model = PLAIN.load_folder(folder)
            model(expected(folder)[0]).logsumexp(-1).sum().backward()
            for name, parameter in model.named_parameters():
                self.assertIsNotNone(parameter.grad, f"{folder} {name}")
                # The scalars of a shift are of few numbers, which a clip may hold.
                if "shift" not in name:
                    self.assertGreater(parameter.grad.abs().sum().item(), 0, f"{folder} {name}")

    def test_bfloat16_is_near(self):
        for folder in HF_FOLDERS:
            ids, logits = expected(folder)
            with torch.no_grad():
                found = PLAIN.load_folder(folder).to(torch.bfloat16)(ids).float()
            # bfloat16 has three digits.
            self.assertLess((found - logits).square().mean().sqrt().item(), 0.05 * logits.std().item(), folder)


class TransformersTests(unittest.TestCase):
    """The network as a model of transformers."""

    @classmethod
    def setUpClass(cls):
        cls.is_real = importlib.util.find_spec("transformers") is not None
        print(f"transformers: {'installed' if cls.is_real else 'a stand-in'}", file=sys.stderr)
        if not cls.is_real:
            cls.addClassCleanup(lambda: [sys.modules.pop(name) for name in ("transformers", "transformers.modeling_outputs")])
            stand_in()

    def load(self, folder):
        if self.is_real:
            from transformers import AutoModelForCausalLM
            return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
        package = "remote_" + os.path.basename(folder).replace("-", "_")
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [folder]
        config = json_of(folder, "config.json")
        file, name = config["auto_map"]["AutoConfig"].split(".")
        settings = getattr(load_file(f"{package}.{file}", os.path.join(folder, file + ".py")), name)(**config)
        file, name = config["auto_map"]["AutoModelForCausalLM"].split(".")
        model = getattr(load_file(f"{package}.{file}", os.path.join(folder, file + ".py")), name)(settings)
        self.assertEqual(name, config["architectures"][0])
        model.load_state_dict(PLAIN.load_folder(folder).state_dict())
        return model.eval()

    def test_logits_are_those_of_the_program(self):
        for folder in HF_FOLDERS:
            ids, logits = expected(folder)
            model = self.load(folder)
            with torch.no_grad():
                output = model(**model.prepare_inputs_for_generation(ids, attention_mask=torch.ones_like(ids), use_cache=False))
            self.assertLess(difference(logits, output.logits), TOLERANCE, folder)

    def test_loss_is_the_mean_over_next_tokens(self):
        folder = HF_FOLDERS[0]
        ids, logits = expected(folder)
        labels = ids.clone()
        labels[0, :5] = -100
        losses = [-logits[row, token].log_softmax(-1)[labels[row, token + 1]] for row in range(len(ids)) for token in range(ids.shape[1] - 1)
                  if labels[row, token + 1] != -100]
        with torch.no_grad():
            found = self.load(folder)(ids, labels=labels).loss
        self.assertAlmostEqual(torch.stack(losses).mean().item(), found.item(), delta=TOLERANCE)

    def test_generation_knows_that_there_is_no_cache(self):
        for folder in HF_FOLDERS:
            self.assertIs(json_of(folder, "generation_config.json")["use_cache"], False)
            if self.is_real:
                self.assertEqual((1, 6), self.load(folder).generate(torch.tensor([[1, 2, 3]]), max_new_tokens=3, do_sample=False).shape)

    def test_a_head_that_is_the_embedding_is_no_parameter(self):
        model = self.load(next(folder for folder in HF_FOLDERS if os.path.basename(folder) == "tied"))
        self.assertNotIn("lm_head.weight", model.state_dict())
        self.assertIsNone(model.get_output_embeddings())


def stand_in():
    """As much of transformers as the classes use."""

    class PretrainedConfig:
        def __init__(self, **keys):
            self.__dict__.update(keys)

        def to_dict(self):
            return copy.deepcopy(self.__dict__)

    class PreTrainedModel(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config

        def post_init(self):
            self.apply(self._init_weights)

    package = types.ModuleType("transformers")
    package.PretrainedConfig, package.PreTrainedModel, package.GenerationMixin = PretrainedConfig, PreTrainedModel, type("GenerationMixin", (), {})
    outputs = types.ModuleType("transformers.modeling_outputs")
    outputs.CausalLMOutputWithPast = lambda loss=None, logits=None: types.SimpleNamespace(loss=loss, logits=logits)
    package.modeling_outputs = outputs
    sys.modules.update({"transformers": package, "transformers.modeling_outputs": outputs})


if __name__ == "__main__":
    unittest.main(verbosity=2)
