"""Gives a browser's profile a client's certificate, and lets it be shown to one server without a question."""

import json
import pathlib
import subprocess

LIMIT_S = 60


def run(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=LIMIT_S)


def give(profile, base, folder, name):
    """`folder` holds NAME.crt and NAME.key. Chromium keeps certificates of the visitor in the home directory, which is the profile here (browser.mjs)."""
    database = pathlib.Path(profile) / ".pki/nssdb"
    database.mkdir(parents=True)
    packed = pathlib.Path(profile) / "certificate.p12"
    run("openssl", "pkcs12", "-export", "-in", f"{folder}/{name}.crt", "-inkey", f"{folder}/{name}.key", "-name", name, "-passout", "pass:", "-out", packed)
    run("certutil", "-N", "-d", f"sql:{database}", "--empty-password")
    run("pk12util", "-i", packed, "-d", f"sql:{database}", "-W", "")
    chosen = {f"{base},*": {"setting": {"filters": [{}]}}}
    preferences = pathlib.Path(profile) / "Default/Preferences"
    preferences.parent.mkdir()
    preferences.write_text(json.dumps({"profile": {"content_settings": {"exceptions": {"auto_select_certificate": chosen}}}}))
