"""The tutorial's network with torch."""

import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
x, y = torch.randn(64, 1000), torch.randn(64, 10)
model = torch.nn.Sequential(
    torch.nn.Linear(1000, 100, bias=False),
    torch.nn.ReLU(),
    torch.nn.Linear(100, 10, bias=False),
)
for parameter in model.parameters():
    torch.nn.init.normal_(parameter)
loss = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
for _ in range(500):
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optimizer.step()
print(value.item())
