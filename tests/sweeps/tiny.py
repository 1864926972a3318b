"""The source of a tiny task, for scripts whose processes are killed or share a study."""

TINY = """
import json, os, sys, tempfile, time
import torch
import etastar as es
from etastar.engine import Observer, Sequential
from etastar.store import open_store

x = torch.linspace(-1, 1, 16).unsqueeze(1)

def loss(output, target):
    return torch.nn.functional.mse_loss(output, target)

task = es.Task(
    lambda: torch.nn.Linear(1, 1),
    lambda params: torch.optim.SGD(params, lr=0.1),
    train=[(x, 3 * x)], criterion=loss, steps=30, name="tiny",
)
"""
