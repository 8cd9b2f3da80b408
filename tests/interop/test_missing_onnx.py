import subprocess
import sys


def test_a_missing_onnx_is_one_clear_line():
    code = "import sys; sys.modules['onnx'] = None; import minitorch_np.interop.onnx"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "ImportError: minitorch_np.interop.onnx needs onnx: pip install 'minitorch-np[onnx]'"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == said
