"""Make the files in `files/`, which torch and safetensors wrote: `python tests/interop/make_files.py`."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent / "files"


def tensors():
    """One of every dtype and of every way to lie in memory."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Conv2d(1, 2, 3))
    numbers = torch.arange(12).reshape(3, 4)
    state = model.state_dict()
    state["bfloat16"] = (torch.randn(3, 2) * 1e30).bfloat16()
    for name in (
        "float64",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ):
        state[name] = numbers.to(getattr(torch, name))
    state |= {"bool": numbers > 3, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    state |= {"transposed": numbers.float().T, "part": torch.arange(10.0)[2:7:2]}
    return state


def main():
    state = tensors()
    plain = {name: (t.float() if t.dtype == torch.bfloat16 else t).numpy() for name, t in state.items()}
    np.savez(HERE / "expected.npz", **plain)
    for name, is_zip in (("zip", True), ("before_zip", False)):
        torch.save(state, HERE / f"{name}.pt", _use_new_zipfile_serialization=is_zip)
    odd = {"tied": state["float64"], "same": state["float64"], "expanded": torch.ones(1).expand(4)}
    weight = torch.nn.Parameter(state["0.weight"])
    checkpoint = {"model": OrderedDict(w=weight), "epoch": 3, "best": None, "lr": [0.5, True], "odd": odd}
    torch.save(checkpoint, HERE / "checkpoint.pth")
    torch.save(torch.nn.Linear(2, 1), HERE / "module.pt")
    torch.save(torch.nn.Linear(2, 1), HERE / "module_before_zip.pt", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, HERE / "complex.pt")
    torch.save({"a": torch.eye(2).to_sparse()}, HERE / "sparse.pt")
    save_file({name: t.contiguous() for name, t in state.items()}, HERE / "state.safetensors")


if __name__ == "__main__":
    main()
