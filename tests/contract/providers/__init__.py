"""The local providers, called by the real SDKs: do they refuse, replay, lose and sign as the real ones do?"""
