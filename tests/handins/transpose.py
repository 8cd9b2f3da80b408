class TransposeLayer:
    def forward(self, x):
        return x.transpose(0, 2, 1)

    def backward(self, dout):
        return dout.transpose(0, 2, 1)
