"""reweight"""
