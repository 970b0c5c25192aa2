import subprocess
import sys

SENTENCE = "lmms-eval is not installed: install it with the project's extra: pip install -e '.[lmms]'."


def run(code):
    # None in sys.modules makes an import fail as if the package were not there, whether it is or not.
    code = f"import sys; sys.modules['lmms_eval'] = None\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_hand_over_names_the_extra():
    done = run("import morphoquant.handover.served")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == f"morphoquant.core.errors.MissingExtraError: {SENTENCE}"


def test_the_error_is_the_users_and_an_import_error():
    done = run(
        "from morphoquant.core.errors import MorphoQuantError\n"
        "try:\n    import morphoquant.handover\n"
        "except ImportError as error:\n    print(isinstance(error, MorphoQuantError), error)"
    )
    assert done.stdout.strip() == f"True {SENTENCE}"


def test_the_verbs_do_without():
    done = run("from morphoquant.cli import main\nsys.exit(main(['runs', '--cache', 'nowhere']))")
    assert done.returncode == 0, done.stderr
